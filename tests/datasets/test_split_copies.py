"""Splits that hold one another, against counting the rows one by one."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.arrays import Indices
from alignbench.datasets.split_copies import refuse_copied_splits, warn_of_calibrating_rows
from alignbench.errors import AlignbenchWarning, DataError

ONE, OTHER = Path("one.txt"), Path("other.txt")
OBJECTS = 1_854


def drawn(seed: int, count: int, objects: int = OBJECTS) -> Indices:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, objects, (2 * count, 3))
    return rows[(rows[:, 0] != rows[:, 1]) & (rows[:, 0] != rows[:, 2]) & (rows[:, 1] != rows[:, 2])][:count]


def counted(rows: Indices) -> Counter[tuple[frozenset[int], int]]:
    return Counter((frozenset((a, b)), c) for a, b, c in rows.tolist())


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(0, 30), st.integers(0, 10), st.booleans())
def test_a_split_is_refused_exactly_where_another_holds_all_of_its_rows(
    seed: int, count: int, copied: int, more: int, swapped: bool
) -> None:
    rng = np.random.default_rng(seed)
    one = drawn(seed, count, 40)[rng.integers(0, count, count)]  # some rows several times
    other = rng.permutation(np.concatenate([one[:copied], drawn(seed + 1, more + 1, 40)[:more]]))
    if not len(other):
        return
    if swapped:
        other = other[:, [1, 0, 2]]
    few, many = sorted((counted(one), counted(other)), key=lambda counts: counts.total())
    said = ""
    try:
        refuse_copied_splits({ONE: one, OTHER: other}, 40)
    except DataError as error:
        said = str(error)
    assert bool(said) == (few <= many and len(few) >= 5)
    assert not said or ("one.txt" in said and "other.txt" in said)


def test_other_answers_to_the_same_triplets_are_no_copy() -> None:
    rows = drawn(0, 1_000)
    refuse_copied_splits({ONE: rows, OTHER: rows[:, [0, 2, 1]]}, OBJECTS)


def test_random_splits_of_few_objects_hold_each_other_by_chance() -> None:
    one, other = drawn(0, 50, 6), drawn(1, 3_000, 6)
    assert counted(one) <= counted(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refuse_copied_splits({ONE: one, OTHER: other}, 6)
        warn_of_calibrating_rows((ONE, one), (OTHER, other), 6)
    with pytest.raises(DataError, match=r"holds every judgment of"):
        refuse_copied_splits({ONE: other, OTHER: np.random.default_rng(0).permutation(other)}, 6)


def test_coincidences_of_random_triplets_pass_and_a_tenth_of_the_rows_does_not() -> None:
    objects = 500
    evaluated, training = drawn(0, 9_000, objects), drawn(1, 100_000, objects)
    shared = (counted(evaluated) & counted(training)).total()
    assert shared > 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refuse_copied_splits({ONE: evaluated, OTHER: training}, objects)
        warn_of_calibrating_rows((ONE, evaluated), (OTHER, training), objects)
    more = np.concatenate([training, evaluated[:1_200, [1, 0, 2]]])
    shared = (counted(evaluated) & counted(more)).total()
    with pytest.warns(
        AlignbenchWarning, match=rf"^{shared:,} of the 9,000 judgments of one\.txt are in other\.txt too"
    ):
        warn_of_calibrating_rows((ONE, evaluated), (OTHER, more), objects)
