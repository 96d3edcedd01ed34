"""Bands over depth, against t intervals, the transformation as it is published, and differences of replicates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.bands import Band, band, difference_band
from alignbench.statistics.joint import Estimates, TwoCurves, estimates, jointly, of_influences

Floats = NDArray[np.float64]
JACKKNIFE = "cluster jackknife t"


def of_means(x: Floats) -> Estimates:
    value = x.mean(axis=1)
    return of_influences(value, (x - value[:, None]) / x.shape[1])


def jackknifed(x: Floats) -> Floats:
    """Means and those without each cluster, of (layers, clusters)."""
    return np.column_stack([x.mean(axis=1), *(np.delete(x, j, axis=1).mean(axis=1) for j in range(x.shape[1]))])


def depths_of(count: int) -> Floats:
    return 100.0 * np.arange(1, count + 1) / count


# ------------------------------------------------------------------------------------------------- curves


def test_where_nothing_is_skewed_one_depth_has_its_t_interval() -> None:
    half = np.random.default_rng(0).normal(0.0, 0.1, (1, 12))
    x = 0.4 + np.concatenate([half, -half], axis=1)
    found, (low, high) = band(of_means(x), np.array([50.0])), stats.ttest_1samp(x[0], 0.0).confidence_interval()
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=0.02 * (high - low))


def test_without_influences_independent_depths_have_sidaks_reach() -> None:
    errors = np.array([0.01, 0.02, 0.03, 0.01])
    found = band(Estimates(np.full(4, 0.5), np.diag(errors**2), 24.0), depths_of(4))
    reach = stats.t.ppf((1.0 + 0.95**0.25) / 2.0, 24)
    assert found.high == pytest.approx(0.5 + reach * errors, rel=0.01)
    assert found.low == pytest.approx(0.5 - reach * errors, rel=0.01)


def test_edges_are_where_the_transformed_t_reaches_its_quantile() -> None:
    x = np.random.default_rng(1).exponential(0.1, (1, 25))
    found = band(of_means(x), np.array([50.0]), (-np.inf, np.inf))
    error, skew = x.std(ddof=1) / 5.0, stats.skew(x[0]) / 5.0
    for edge, sign in ((found.low[0], 1.0), (found.high[0], -1.0)):
        t = (x.mean() - edge) / error
        transformed = t + skew * t**2 / 3.0 + skew**2 * t**3 / 27.0 + skew / 6.0
        assert transformed == pytest.approx(sign * stats.t.ppf(0.975, 24), rel=0.02)
    assert found.high[0] - x.mean() > 1.2 * (x.mean() - found.low[0])  # a long tail to the right hides a higher mean


def test_the_skewness_is_the_mean_over_depths() -> None:
    rng = np.random.default_rng(2)
    right = rng.exponential(0.1, (1, 40))
    both = np.concatenate([0.5 + right, 0.5 - right])
    found = band(of_means(both), depths_of(2))
    assert found.high - found.value == pytest.approx(found.value - found.low)


@pytest.mark.parametrize("skewed", [False, True])
def test_bands_hold_everywhere_in_95_percent_of_samples(skewed: bool) -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        noise = rng.standard_exponential((9, 20)) - 1.0 if skewed else rng.normal(size=(9, 20))
        x = 0.05 * (noise + noise[:1])
        found = band(of_means(x), depths_of(9))
        held += ((found.low <= 0.0) & (found.high >= 0.0)).all()
    assert 0.90 <= held / 200 <= 0.99


@pytest.mark.parametrize("level", [0.5, 0.95, 0.995, 0.9999])
def test_at_every_level_a_band_excludes_0_where_p_is_small_enough(level: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.exponential(0.1, (9, 25)) - 0.1 + np.linspace(-0.12, 0.12, 9)[:, None]
    found = band(of_means(x), depths_of(9), level=level)
    excluded = (found.low > 0.0) | (found.high < 0.0)
    np.testing.assert_array_equal(excluded, found.p < 1.0 - level)
    assert 0 < (band(of_means(x), depths_of(9)).p < 0.05).sum() < 9


def test_p_of_one_depth_is_that_of_students_t_and_of_several_is_larger() -> None:
    errors = np.array([0.01, 0.02, 0.03, 0.01])
    value = np.array([0.025, 0.03, -0.09, 0.0])
    found = band(Estimates(value, np.diag(errors**2), 24.0), depths_of(4))
    alone = 2.0 * stats.t.sf(np.abs(value) / errors, 24)
    assert found.p == pytest.approx(1.0 - (1.0 - alone) ** 4, abs=0.02)  # Sidak's, of independent depths
    [single] = band(Estimates(value[:1], np.diag(errors[:1] ** 2), 24.0), depths_of(1)).p
    assert single == pytest.approx(alone[0], abs=0.005)


def test_scores_stay_within_their_limits() -> None:
    found = band(Estimates(np.array([0.95, 0.05]), 0.1**2 * np.eye(2), 24.0), depths_of(2), (0.0, 1.0))
    assert found.high[0] == 1.0
    assert found.low[1] == 0.0


def test_a_depth_without_a_score_or_an_error_takes_nothing_from_the_others() -> None:
    x = np.random.default_rng(4).normal(0.5, 0.1, (3, 25))
    gaps = np.insert(x, 1, np.nan, axis=0)
    one, other = band(of_means(x), depths_of(3)), band(of_means(gaps), depths_of(4))
    assert np.isnan([other.low[1], other.high[1], other.value[1]]).all()
    assert np.delete(other.low, 1) == pytest.approx(one.low)
    certain = band(of_means(np.concatenate([x, np.ones((1, 25))])), depths_of(4))
    assert (certain.low[3], certain.high[3]) == (1.0, 1.0)
    assert certain.low[:3] == pytest.approx(one.low)
    nothing = band(estimates(np.array([[0.4], [0.6]]), "none", 1), depths_of(2))
    assert np.isnan(nothing.low).all()
    assert np.isnan(nothing.p).all()


def test_what_is_certain_everywhere_has_no_width() -> None:
    found = band(of_means(np.full((2, 25), 0.75)), depths_of(2))
    assert found.low.tolist() == found.high.tolist() == [0.75, 0.75]


# --------------------------------------------------------------------------------------------- differences


def test_at_the_same_depths_it_is_the_band_of_the_differences() -> None:
    x = np.random.default_rng(5).normal(0.5, 0.1, (12, 25))
    found = difference_band(jointly(jackknifed(x[:6]), jackknifed(x[6:]), JACKKNIFE, 25), (depths_of(6), depths_of(6)))
    expected = band(of_means(x[:6] - x[6:]), depths_of(6))
    assert found.value == pytest.approx(expected.value)
    assert found.low == pytest.approx(expected.low)
    assert found.high == pytest.approx(expected.high)


@pytest.mark.parametrize("first_is_deeper", [True, False])
def test_a_deeper_model_is_interpolated_to_the_depths_of_the_other(first_is_deeper: bool) -> None:
    x = np.random.default_rng(6).normal(0.5, 0.1, (11, 25))
    deep, shallow = x[:8], x[8:]
    at = np.array([[np.interp(depth, depths_of(8), column) for column in deep.T] for depth in depths_of(3)])
    curves, depths, expected = (deep, shallow), (depths_of(8), depths_of(3)), at - shallow
    if not first_is_deeper:
        curves, depths, expected = curves[::-1], depths[::-1], -expected
    found = difference_band(jointly(*map(jackknifed, curves), JACKKNIFE, 25), depths)
    assert found.depths.tolist() == depths_of(3).tolist()
    assert found.value == pytest.approx(expected.mean(axis=1))
    assert found.low == pytest.approx(band(of_means(expected), depths_of(3)).low)


def test_only_depths_that_both_reach_are_compared() -> None:
    both = Estimates(np.arange(5.0), np.eye(5), 9.0)
    found = difference_band(TwoCurves(both, 2), (np.array([10.0, 60.0]), np.array([20.0, 50.0, 90.0])))
    assert found.depths.tolist() == [60.0]
    assert found.value.tolist() == [1.0 - (0.75 * 3.0 + 0.25 * 4.0)]
    with pytest.raises(DataError, match="share no depth"):
        difference_band(TwoCurves(both, 2), (np.array([0.0, 10.0]), np.array([20.0, 50.0, 90.0])))
    with pytest.raises(DataError, match="ascending depth, each depth once"):
        difference_band(TwoCurves(both, 2), (np.array([10.0, 10.0]), np.array([20.0, 50.0, 90.0])))


def test_a_model_does_not_differ_from_itself() -> None:
    x = np.random.default_rng(7).normal(0.5, 0.1, (4, 25))
    found = difference_band(jointly(jackknifed(x), jackknifed(x + 1e-17), JACKKNIFE, 25), (depths_of(4), depths_of(4)))
    assert found.low.tolist() == found.high.tolist() == [0.0] * 4
    assert list(found.stretches()) == []


# ----------------------------------------------------------------------------------------------- stretches


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([0] * 10, []),
        ([0, 0, 1, 1, 1, 1, 1, 0, 0, 0], [(30.0, 70.0, 1)]),
        ([0, 0, 0, -1], [(100.0, 100.0, -1)]),
        ([1, 1, -1, 0, 1], [(20.0, 40.0, 1), (60.0, 60.0, -1), (100.0, 100.0, 1)]),
    ],
)
def test_stretches_say_where_and_on_which_side(signs: list[int], expected: list[tuple[float, float, int]]) -> None:
    value = np.array(signs, dtype=np.float64)
    assert list(Band(depths_of(len(signs)), value, value - 0.5, value + 0.5).stretches()) == expected


def test_stretches_go_by_depth_and_end_at_what_is_not_known() -> None:
    value = np.array([1.0, 0.0, 1.0])
    found = Band(np.array([66.0, 99.0, 33.0]), value, value - 0.5, value + 0.5)
    assert list(found.stretches()) == [(33.0, 66.0, 1)]
    unknown = np.full(3, np.nan)
    assert list(Band(depths_of(3), value, unknown, unknown).stretches()) == []
    gap = np.array([0.5, np.nan, 0.5])
    assert list(Band(depths_of(3), value, gap, gap + 1.0).stretches()) == [(100 / 3, 100 / 3, 1), (100.0, 100.0, 1)]
