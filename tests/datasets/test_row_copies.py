"""Copies of rows, against a search that compares every place row by row."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.datasets.row_copies import RowCopy, find_copy, times_in_a_row

Row = tuple[int, ...]


def searched(rows: list[Row]) -> RowCopy | None:
    """The earliest place behind which earlier rows follow once more, all or half of them, and five kinds at least."""
    total = len(rows)
    for backwards in (False, True):
        for start in range(1, total):
            again = rows[start:]
            count = len(again)
            if backwards:  # the last row before the copy is there once, or twice
                fits = any(
                    start - count - once >= 0 and rows[start - count - once : start - once] == again[::-1]
                    for once in (0, 1)
                )
            else:
                fits = rows[:count] == again
            if fits:
                if 2 * count >= start and len(set(again)) >= 5:
                    return RowCopy(start, backwards)
                break
    return None


def kinds(seed: int, count: int, of: int = 10_000) -> list[Row]:
    return [tuple(row) for row in np.random.default_rng(seed).integers(0, of, (count, 3)).tolist()]


small = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=12)


@given(small, st.integers(1, 14), st.integers(0, 12), st.sampled_from(["again", "backwards", "doubled"]))
def test_what_a_search_row_by_row_finds(rows: list[Row], times: int, dropped: int, how: str) -> None:
    made = rows * times
    if how == "backwards":
        made = rows + rows[::-1][dropped % len(rows) :]
    elif how == "doubled":
        made = [row for row in rows for _ in range(times)]
    made = made[: max(1, len(made) - dropped)]
    assert find_copy(np.array(made)) == searched(made)


@pytest.mark.parametrize("times", [2, 3, 4, 5, 7, 11, 13, 17, 101])
def test_however_often_the_rows_follow(times: int) -> None:
    rows = kinds(0, 23)
    assert find_copy(np.array(rows * times)) == RowCopy(23, backwards=False)
    for lacking in (1, 5, 11):
        assert find_copy(np.array((rows * times)[:-lacking])) == RowCopy(23, backwards=False)


def test_the_reverse_of_the_rows_is_a_copy_whole_or_without_its_ends() -> None:
    rows = kinds(1, 40)
    assert find_copy(np.array(rows + rows[::-1])) == RowCopy(40, backwards=True)
    assert find_copy(np.array(rows + rows[-2::-1])) == RowCopy(40, backwards=True)
    assert find_copy(np.array(rows + rows[::-1][:-3])) == RowCopy(40, backwards=True)


@pytest.mark.parametrize("count", [1, 2, 4, 6, 500])
def test_rows_that_people_gave_again_are_no_copy(count: int) -> None:
    rows = kinds(2, count)
    for repeats in (1, 2, 16):
        assert find_copy(np.repeat(np.array(rows), repeats, axis=0)) is None, "sorted, so that equal rows are together"
    shuffled = np.random.default_rng(0).permutation(np.repeat(np.array(kinds(3, 200)), 5, axis=0))
    assert find_copy(shuffled) is None


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 4))
def test_how_often_every_row_stands_in_a_row(kinds_in_order: list[int], times: int) -> None:
    made = [kind for kind in kinds_in_order for _ in range(times)]
    lengths = [len(list(run)) for _, run in itertools.groupby(made)]
    expected = math.gcd(*lengths) if len(lengths) >= 20 else 1
    assert times_in_a_row(np.array([(kind, 7) for kind in made])) == expected


def test_less_than_half_of_the_rows_is_no_copy() -> None:
    rows = kinds(4, 100)
    assert find_copy(np.array(rows + rows[:49])) is None
    assert find_copy(np.array(rows + rows[:50])) == RowCopy(100, backwards=False)


def test_millions_of_rows_take_seconds_whatever_they_are() -> None:
    equal = np.zeros((1_000_000, 3), dtype=np.int64)
    assert find_copy(equal) is None
    equal[400_000] = 1
    assert find_copy(equal) is None
    drawn = np.random.default_rng(0).integers(0, 1_854, (500_000, 3))
    assert find_copy(np.concatenate([drawn, drawn[:-1]])) == RowCopy(500_000, backwards=False)
