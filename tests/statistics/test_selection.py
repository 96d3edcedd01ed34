"""Best layers, against paired t tests, loops over normal draws, and what must hold of any two curves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.joint import Estimates, TwoCurves, estimates, of_influences
from alignbench.statistics.selection import best_layers, near_best

Floats = NDArray[np.float64]


def curves_of(x: Floats, first: int) -> TwoCurves:
    """Means over clusters; `x` is (layers, clusters)."""
    value = x.mean(axis=1)
    return TwoCurves(of_influences(value, (x - value[:, None]) / x.shape[1]), first)


def clusters_of(truth: Floats, clusters: int = 25, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return truth[:, None] + 0.1 * (rng.normal(size=clusters) + rng.normal(size=(len(truth), clusters)))


# ------------------------------------------------------------------------------------------------- models


def test_of_one_layer_each_it_is_the_paired_t_test() -> None:
    x = clusters_of(np.array([0.53, 0.5]))
    found, test = best_layers(curves_of(x, 1)), stats.ttest_rel(*x)
    low, high = test.confidence_interval()
    assert found.difference == pytest.approx((x[0] - x[1]).mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.04 * (high - low))
    assert found.p == pytest.approx(test.pvalue, abs=0.01)


def test_bounds_are_those_of_loops_over_normal_draws() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(5, 5))
    covariance, value = 0.01 * mixed @ mixed.T, np.array([0.3, 0.42, 0.4, 0.2, 0.25])  # 3 layers, then 2
    errors = rng.multivariate_normal(np.zeros(5), covariance, 40_000)

    def reach(minus: int, plus: list[int]) -> float:
        """97.5 % quantile of the largest t among layers over one of the other model."""
        t = [(errors[:, i] - errors[:, minus]) / spread(i, minus) for i in plus]
        return float(np.quantile(np.max(t, axis=0), 0.975))

    def spread(i: int, j: int) -> float:
        return float(np.sqrt(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]))

    low = min(
        max(value[i] - value[j] - reach(j, [0, 1, 2]) * spread(i, j) for i in (0, 1, 2)) for j in (3, 4)
    )  # above whichever is the best of the second
    high = max(min(value[i] - value[j] + reach(i, [3, 4]) * spread(i, j) for j in (3, 4)) for i in (0, 1, 2))
    found = best_layers(TwoCurves(Estimates(value, covariance, np.inf), 3))
    assert (found.first, found.second) == (1, 1)
    assert found.difference == pytest.approx(0.17)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03 * (high - low))


def test_a_shift_of_one_curve_shifts_the_interval() -> None:
    x = clusters_of(np.zeros(9))
    moved = x.copy()
    moved[:5] += 0.07
    one, other = best_layers(curves_of(x, 5)), best_layers(curves_of(moved, 5))
    assert (other.difference, other.low, other.high) == pytest.approx(
        (one.difference + 0.07, one.low + 0.07, one.high + 0.07), abs=1e-9
    )


def test_the_other_way_round_it_is_the_opposite() -> None:
    x = clusters_of(np.zeros(9))
    one, other = best_layers(curves_of(x, 5)), best_layers(curves_of(np.concatenate([x[5:], x[:5]]), 4))
    width = one.high - one.low
    assert other.difference == pytest.approx(-one.difference)
    assert (-other.high, -other.low, other.p) == pytest.approx((one.low, one.high, one.p), abs=0.04 * max(width, 1.0))


@pytest.mark.parametrize("above", np.linspace(0.0, 0.2, 9))
def test_it_is_separable_where_p_is_small(above: float) -> None:
    x = clusters_of(np.concatenate([np.full(5, above), np.zeros(4)]))
    found = best_layers(curves_of(x, 5))
    assert found.separable == (found.p < 0.05) or abs(found.p - 0.05) < 0.002
    assert found.low <= found.difference <= found.high


@pytest.mark.parametrize("above", [0.0, 0.1, 0.15, 0.3])
@pytest.mark.parametrize("count", [1, 3, 20, 200, 5_000])
def test_at_every_level_the_interval_excludes_0_where_p_is_small_enough(above: float, count: int) -> None:
    curves = curves_of(clusters_of(np.concatenate([np.full(5, above), np.zeros(4)])), 5)
    found = best_layers(curves, 1.0 - 0.05 / count)
    assert found.separable == (found.p * count < 0.05)
    assert found.p == best_layers(curves).p


@pytest.mark.parametrize("level", [0.8, 0.99, 0.9999, 0.9999999])
def test_of_one_layer_each_it_is_the_paired_t_test_at_any_level(level: float) -> None:
    x = clusters_of(np.array([0.53, 0.5]))
    low, high = stats.ttest_rel(*x).confidence_interval(level)
    found = best_layers(curves_of(x, 1), level)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.12 * (high - low))


def test_what_is_far_above_has_the_tail_of_its_t() -> None:
    x = clusters_of(np.array([2.0, 0.0, 0.0]))
    found = best_layers(curves_of(x, 1))
    tests = [stats.ttest_rel(x[0], x[j]).pvalue for j in (1, 2)]
    assert found.separable
    assert found.p == pytest.approx(max(tests), rel=1e-6)  # the hardest of the second model, of one layer over it


def test_a_model_does_not_differ_from_itself() -> None:
    x = clusters_of(np.linspace(0.0, 0.1, 6))
    found = best_layers(curves_of(np.concatenate([x, x + 1e-17]), 6))
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert not found.separable


def test_a_certain_difference_is_certain() -> None:
    x = clusters_of(np.zeros(1))
    found = best_layers(curves_of(np.concatenate([x + 0.1, x]), 1))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert found.p == 0.0


def test_layers_without_a_score_are_left_out() -> None:
    x = clusters_of(np.array([0.0, 0.1, 0.05, 0.0, 0.02]))
    gaps = np.insert(x, [0, 3, 4], np.nan, axis=0)
    one, other = best_layers(curves_of(x, 3)), best_layers(curves_of(gaps, 4))
    assert (other.low, other.high, other.p) == (one.low, one.high, one.p)
    assert (other.first, other.second) == (one.first + 1, one.second + 1 + (one.second > 0))
    with pytest.raises(DataError, match="no layer of the second model has a score"):
        best_layers(curves_of(gaps[[1, 0, 4]], 1))


def test_one_cluster_has_no_interval() -> None:
    one = estimates(np.array([[0.4], [0.6], [0.5]]), "none", 1)
    found = best_layers(TwoCurves(one, 2))
    assert (found.first, found.second, found.difference) == (1, 0, pytest.approx(0.1))
    assert np.isnan([found.low, found.high, found.p]).all()
    assert not found.separable
    assert near_best(one).near.all()


# -------------------------------------------------------------------------------------------------- curve


def confidence_set(value: Floats, covariance: Floats) -> set[int]:
    """The model confidence set by its definition, with normal draws of its own."""
    errors = np.random.default_rng(9).multivariate_normal(np.zeros(len(value)), covariance, 40_000)
    kept = set(range(len(value)))

    def scaled(difference: Floats, i: int, j: int) -> Floats:
        return difference / np.sqrt(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])

    while True:
        pairs = [(i, j) for i in kept for j in kept if i != j]
        if not pairs:
            return kept
        largest = np.max([scaled(errors[:, i] - errors[:, j], i, j) for i, j in pairs], axis=0)
        below = {j for i, j in pairs if scaled(value[i] - value[j], i, j) > np.quantile(largest, 0.95)}
        if not below:
            return kept
        kept -= below


def test_the_set_is_the_model_confidence_set() -> None:
    covariance = 0.01**2 * (0.5 * np.eye(6) + 0.5)
    seen = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        value = np.sort(rng.normal(0.0, 0.02, 6))
        expected = confidence_set(value, covariance)
        found = near_best(Estimates(value, covariance, np.inf))
        assert set(np.flatnonzero(found.near)) == expected
        assert found.best == 5
        seen.add(len(expected))
    assert len(seen) > 2


def test_leaving_out_the_poor_narrows_what_may_be_the_best() -> None:
    """Nine poor layers widen the first bounds by more than the one near layer is away."""
    covariance = 0.01**2 * np.eye(11)
    few = np.array([0.0, -0.03])
    many = np.concatenate([few, np.full(9, -0.2)])
    t = 0.03 / (0.01 * np.sqrt(2.0))
    assert stats.studentized_range.ppf(0.95, 2, np.inf) / np.sqrt(2.0) < t
    assert stats.studentized_range.ppf(0.95, 11, np.inf) / np.sqrt(2.0) > t
    assert near_best(Estimates(many, covariance, np.inf)).near.tolist() == [True] + 10 * [False]


def test_equal_layers_are_all_near_in_95_percent_of_samples() -> None:
    covariance, rng = 0.3 * np.eye(8) + 0.7, np.random.default_rng(2)
    root, held = np.linalg.cholesky(covariance), 0
    for _ in range(200):
        x = root @ rng.normal(size=(8, 15))
        held += near_best(curves_of(x, 8).first).near.all()
    assert 0.90 <= held / 200 <= 0.99


def test_the_peak_lies_between_the_layers_that_may_be_it() -> None:
    value = np.array([0.1, np.nan, 0.5, 0.2, 0.49, 0.1])
    found = near_best(Estimates(value, np.where(np.isnan(value), np.nan, 0.02**2) * np.eye(6), 30.0))
    assert found.near.tolist() == [False, False, True, False, True, False]
    assert found.hull(np.array([0.0, 20.0, 40.0, 60.0, 80.0, 100.0])) == (40.0, 80.0)
    assert found.best == 2
    with pytest.raises(DataError, match="no layer has a score"):
        near_best(Estimates(np.full(2, np.nan), np.eye(2), 5.0))
