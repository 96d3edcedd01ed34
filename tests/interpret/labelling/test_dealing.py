"""Texts that are dealt anew: each once, as many a head as before."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.interpret.labelling.dealing import deal, shuffled_labels

PICKS = np.array([[4, 5, 6], [7, -1, -1], [8, 9, -1]])


def test_every_pick_is_dealt_once_and_places_stay() -> None:
    dealt = deal(PICKS, 50, 3)
    assert dealt.shape == (50, 3, 3)
    assert ((dealt >= 0) == (PICKS >= 0)).all()
    held = np.flatnonzero(PICKS.ravel() >= 0)
    for each in dealt:
        assert sorted(each[each >= 0]) == held.tolist()
    assert np.array_equal(dealt, deal(PICKS, 50, 3))
    assert not np.array_equal(dealt, deal(PICKS, 50, 4))


def test_every_place_gets_every_pick_as_often() -> None:
    dealt = deal(PICKS, 6_000, 1).reshape(6_000, -1)
    held = np.flatnonzero(PICKS.ravel() >= 0)
    for place in held:
        shares = [(dealt[:, place] == pick).mean() for pick in held]
        np.testing.assert_allclose(shares, 1 / 6, atol=0.02)


def test_labels_are_shuffled_whole() -> None:
    labels = np.array([0, 0, 1, -1, 2])
    found = shuffled_labels(labels, 200, 1)
    assert found.shape == (200, 5)
    assert (np.sort(found, axis=1) == np.sort(labels)).all()
    assert len(np.unique(found, axis=0)) > 30


def test_impossible_numbers_are_named() -> None:
    assert deal(PICKS, 0, 0).shape == (0, 3, 3)
    with pytest.raises(UsageError, match="--permutations -1: give from 0 to 1,000,000"):
        deal(PICKS, -1, 0)
    with pytest.raises(UsageError, match="--seed -2: give from 0"):
        deal(PICKS, 1, -2)
