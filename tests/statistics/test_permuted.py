"""Sums of products under permutations within groups: every permutation of small cases, and what is known of chance."""

from __future__ import annotations

from itertools import permutations as orders
from itertools import product

import numpy as np
import pytest

from alignbench.arrays import Floats, Indices
from alignbench.statistics.permuted import permutations, permuted_within

GROUPS = np.array([1, 0, 1, 0, 0, 2])  # of 3, 2 and 1, in no order


def every_sum(row: Floats, said: Floats, groups: Indices) -> Floats:
    """The sum of products for each permutation of what is said within the groups, by hand."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    sums = []
    for chosen in product(*(orders(places) for places in members)):
        permuted = said.copy()
        for places, order in zip(members, chosen, strict=True):
            permuted[places] = said[list(order)]
        sums.append(float(row @ permuted))
    return np.array(sums)


def test_t_is_over_the_mean_and_deviation_of_every_permutation() -> None:
    """Those of all 12 permutations, gone through one by one."""
    rng = np.random.default_rng(0)
    rows, said = rng.standard_normal((4, 6)), rng.standard_normal(6)
    found = permuted_within(rows, said, GROUPS, 5, seed=0)
    for row, t in zip(rows, found.t, strict=True):
        sums = every_sum(row, said, GROUPS)
        assert t == pytest.approx((row @ said - sums.mean()) / sums.std())


def test_largest_is_that_of_all_rows_in_the_same_permutation() -> None:
    """Every draw is the largest t of one of the 12 permutations, and each of these is drawn about as often."""
    rng = np.random.default_rng(1)
    rows, said = rng.standard_normal((3, 6)), rng.standard_normal(6)
    sums = np.stack([every_sum(row, said, GROUPS) for row in rows])
    possible = ((sums - sums.mean(axis=1, keepdims=True)) / sums.std(axis=1, keepdims=True)).max(axis=0)
    drawn = permuted_within(rows, said, GROUPS, 3000, seed=0).largest
    nearest = np.abs(drawn[:, None] - possible[None]).argmin(axis=1)
    assert np.abs(drawn - possible[nearest]).max() < 1e-5
    assert np.bincount(nearest, minlength=12) == pytest.approx(250, abs=80)


def test_several_are_permuted_together() -> None:
    """Each with each row as alone, and the largest of all."""
    rng = np.random.default_rng(2)
    rows, said = rng.standard_normal((3, 6)), rng.standard_normal((2, 6))
    both = permuted_within(rows, said, GROUPS, 50, seed=3)
    each = [permuted_within(rows, one, GROUPS, 50, seed=3) for one in said]
    np.testing.assert_allclose(both.t, [one.t for one in each])
    np.testing.assert_allclose(both.largest, np.maximum(each[0].largest, each[1].largest), rtol=1e-5)
    assert both.p.shape == (2, 3)


def test_what_no_permutation_changes_has_no_p() -> None:
    """A row that is constant in each group; and it is not counted among those that are corrected for."""
    said = np.array([0.3, 1.0, 0.1, -1.0, 0.0, 5.0])
    rows = np.stack([GROUPS * 1.7, np.array([3.0, 1.0, -4.0, -5.0, 0.2, 7.0])])
    found = permuted_within(rows, said, GROUPS, 200, seed=0)
    alone = permuted_within(rows[1:], said, GROUPS, 200, seed=0)
    assert np.isnan(found.t[0])
    assert np.isnan(found.p[0])
    assert found.p[1] == alone.p[0]


def test_ties_with_a_draw_count_as_reached() -> None:
    """Of two members half of the permutations give the very same sum: p is not below a half."""
    found = permuted_within(np.array([[0.1, 0.7]]), np.array([0.2, 0.9]), np.array([0, 0]), 999, seed=0)
    assert found.p[0] == pytest.approx(0.5, abs=0.06)


def test_permutations_stay_within_groups() -> None:
    """Whatever the order of the members, and in several lots."""
    groups = np.random.default_rng(0).integers(0, 900, 3000)
    drawn = np.concatenate(list(permutations(np.unique(groups, return_inverse=True)[1], 1500, seed=0)))
    assert drawn.shape == (1500, 3000)
    assert (groups[drawn] == groups).all()
    assert (np.sort(drawn[-1]) == np.arange(3000)).all()
    assert not (drawn[0] == drawn[1]).all()
