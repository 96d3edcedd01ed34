"""Folds of objects."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from alignbench.errors import DataError, UsageError
from alignbench.transforms.learning.folds import object_folds, split_triplets


@settings(max_examples=8)
@given(objects=st.integers(12, 30), folds=st.integers(2, 3), seed=st.integers(0, 1000))
def test_no_triplet_has_objects_on_both_sides(objects: int, folds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    every = np.array([rng.choice(objects, 3, replace=False) for _ in range(4000)])
    held = object_folds(objects, folds, seed)
    assert sorted(np.concatenate(held)) == list(range(objects))
    for out in held:
        fold = split_triplets(every, objects, out, seed)
        assert not np.isin(fold.train, out).any()
        assert np.isin(fold.validate, out).all()
        assert np.isin(fold.judge, out).all()
        crossing = sum(0 < np.isin(row, out).sum() < 3 for row in every)
        assert len(fold.train) + len(fold.validate) + len(fold.judge) + crossing == len(every)
        sides = [{tuple(sorted(row)) for row in side.tolist()} for side in (fold.validate, fold.judge)]
        assert not sides[0] & sides[1]  # repeats of a triplet are on one side


def test_counts_of_all_triplets_are_the_combinatorial_ones() -> None:
    every = np.array(list(itertools.combinations(range(30), 3)))
    for out in object_folds(30, 3, 0):
        fold = split_triplets(every, 30, out)
        assert len(fold.train) == 20 * 19 * 18 // 6
        assert len(fold.validate) == len(fold.judge) == 10 * 9 * 8 // 6 // 2


def test_folds_are_those_of_scikit_learn() -> None:
    expected = [held for _, held in KFold(4, shuffle=True, random_state=5).split(np.zeros(50))]
    for ours, theirs in zip(object_folds(50, 4, 5), expected, strict=True):
        assert ours.tolist() == sorted(theirs.tolist())


def test_what_cannot_be_split_is_said() -> None:
    with pytest.raises(UsageError, match="two at least"):
        object_folds(30, 1, 0)
    with pytest.raises(UsageError, match="8 objects cannot be split into 3 folds"):
        object_folds(8, 3, 0)
    triplets = np.array([[0, 1, 2], [3, 4, 5]])
    with pytest.raises(DataError, match="to validate and judge"):
        split_triplets(triplets, 6, np.array([3, 4, 5]))
    with pytest.raises(DataError, match="none to learn from"):
        split_triplets(triplets, 6, np.arange(6))
