"""Intervals and p-values of resampled scores against scipy, plain loops and hand-worked cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import IntervalKind, cluster_weights, holm, interval, p_value

Floats = NDArray[np.float64]
JACKKNIFE: IntervalKind = "cluster jackknife t"
BOOTSTRAP: IntervalKind = "percentile cluster bootstrap"


def left_out_means(values: Floats) -> Floats:
    return np.array([np.delete(values, row).mean() for row in range(len(values))])


# --- Weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "kind"), [(1, "none"), (2, JACKKNIFE), (99, JACKKNIFE), (100, BOOTSTRAP)])
def test_the_number_of_clusters_settles_the_kind(count: int, kind: IntervalKind) -> None:
    weights, found = cluster_weights(count, seed=0)
    assert found == kind
    np.testing.assert_array_equal(weights[0], np.ones(count))
    replicates = {"none": 0, JACKKNIFE: count, BOOTSTRAP: 1000}[kind]
    assert len(weights) == 1 + replicates
    assert (weights[1:].sum(axis=1) == (count - 1 if kind == JACKKNIFE else count)).all()
    if kind == JACKKNIFE:
        assert sorted(row.argmin() for row in weights[1:]) == list(range(count))
        assert set(weights[1:].ravel()) == {0.0, 1.0}


# --- Intervals and p-values -----------------------------------------------------------------------------------------


@given(st.integers(3, 60), st.floats(-2, 2), st.integers(0, 2**31))
def test_the_jackknife_of_a_mean_is_students_t(count: int, shift: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(shift, 1.0, count)
    expected = stats.ttest_1samp(values, 0.0)
    low, high = interval(np.array([values.mean()]), left_out_means(values)[None], JACKKNIFE)
    confidence = expected.confidence_interval(0.95)
    assert (low[0], high[0]) == pytest.approx((confidence.low, confidence.high), rel=1e-9, abs=1e-12)
    assert p_value(values.mean(), left_out_means(values), JACKKNIFE) == pytest.approx(expected.pvalue, rel=1e-6)


def test_the_bootstrap_is_of_percentiles() -> None:
    replicates = np.random.default_rng(0).normal(0.3, 0.2, 1000)
    low, high = interval(np.array([0.3]), replicates[None], BOOTSTRAP)
    assert (low[0], high[0]) == pytest.approx(tuple(np.percentile(replicates, [2.5, 97.5])))
    below = sum(value <= 0 for value in replicates)
    assert p_value(0.3, replicates, BOOTSTRAP) == pytest.approx(2 * (1 + below) / 1001)


@given(st.floats(-1, 1), st.floats(0.01, 1), st.integers(0, 2**31), st.sampled_from([JACKKNIFE, BOOTSTRAP]))
def test_an_interval_without_0_goes_with_a_small_p(centre: float, spread: float, seed: int, kind: IntervalKind) -> None:
    rng = np.random.default_rng(seed)
    replicates = rng.normal(centre, spread / 12 if kind == JACKKNIFE else spread, 50 if kind == JACKKNIFE else 1000)
    low, high = interval(np.array([centre]), replicates[None], kind)
    p = p_value(centre, replicates, kind)
    assert 0 <= p <= 1
    if abs(p - 0.05) > 0.004:
        assert (p < 0.05) == (not low[0] <= 0 <= high[0])


def test_p_values_by_hand() -> None:
    assert p_value(0.5, np.full(1000, 0.5), BOOTSTRAP) == pytest.approx(2 / 1001), "never 0 from a finite number"
    assert p_value(0.0, np.zeros(1000), BOOTSTRAP) == 1.0
    assert p_value(0.0, np.zeros(20), JACKKNIFE) == 1.0
    assert p_value(0.125, np.full(20, 0.125), JACKKNIFE) == 0.0
    assert p_value(1.0, np.array([-1.0, 2.0, 2.0, 2.0]), BOOTSTRAP) == pytest.approx(2 * 2 / 5)


def test_what_no_resample_contradicts_has_the_normal_tail() -> None:
    replicates = np.random.default_rng(0).normal(0.9, 0.1, 1000)
    assert replicates.min() > 0
    expected = stats.norm(0, replicates.std()).sf(0.9) + stats.norm(0, replicates.std()).cdf(-0.9)
    assert p_value(0.9, replicates, BOOTSTRAP) == pytest.approx(expected, rel=1e-6)
    assert p_value(-0.9, -replicates, BOOTSTRAP) == pytest.approx(expected, rel=1e-6)
    wide = np.abs(np.random.default_rng(0).normal(0.0, 1.0, 1000)) + 0.001
    assert p_value(0.5, wide, BOOTSTRAP) == pytest.approx(2 / 1001), "never larger than what the resamples say"


def test_without_an_interval_there_is_no_p() -> None:
    assert np.isnan(p_value(0.5, np.array([]), "none"))
    assert np.isnan(interval(np.array([0.5]), np.empty((1, 0)), "none")).all()
    assert np.isnan(p_value(np.nan, np.full(1000, 0.5), BOOTSTRAP))
    assert np.isnan(p_value(0.5, np.array([0.4, np.nan, 0.6]), JACKKNIFE))


def test_resamples_without_a_score_are_no_evidence() -> None:
    """Where clusters are drawn in which ratings are all alike, there is no score: that says nothing against 0."""
    replicates = np.where(np.arange(1000) < 900, np.nan, 0.5)
    found = p_value(0.5, replicates, BOOTSTRAP)
    assert np.isnan(found) or found >= 2 / 101


def test_one_resample_without_a_score_leaves_an_interval() -> None:
    replicates = np.random.default_rng(0).normal(0.3, 0.1, 1000)
    replicates[17] = np.nan
    low, high = interval(np.array([0.3]), replicates[None], BOOTSTRAP)
    assert (low[0], high[0]) == pytest.approx(tuple(np.nanpercentile(replicates, [2.5, 97.5])), abs=1e-3)


@given(st.integers(3, 60), st.integers(0, 2**31))
def test_fishers_z_keeps_correlations_inside_their_range(count: int, seed: int) -> None:
    replicates = np.random.default_rng(seed).uniform(0.8, 0.99, count)
    value = np.array([0.95])
    low, high = interval(value, replicates[None], JACKKNIFE, fisher=True)
    z = np.arctanh(replicates)
    half = stats.t.ppf(0.975, count - 1) * np.sqrt((count - 1) ** 2 / count * z.var(ddof=1))
    expected = np.tanh([np.arctanh(0.95) - half, np.arctanh(0.95) + half])
    assert (low[0], high[0]) == pytest.approx(tuple(expected), rel=0, abs=1e-9)
    assert -1 <= low[0] <= 0.95 <= high[0] <= 1


# --- Holm -----------------------------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    # In order: 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1, and none below the one before it.
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.6, 0.2])), [1.0, 1.0, 0.6])
    np.testing.assert_allclose(holm(np.array([0.02])), [0.02])


def test_holm_does_not_count_what_has_no_p() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert len(holm(np.array([]))) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_as_the_step_down_rule_does(p_values: list[float], level: float) -> None:
    adjusted = holm(np.array(p_values))
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > level / (len(p_values) - step):
            break
        rejected.add(index)
    close = np.isclose(adjusted, level, rtol=1e-9)
    assert {int(i) for i in np.flatnonzero((adjusted <= level) & ~close)} <= rejected
    assert rejected <= {int(i) for i in np.flatnonzero((adjusted <= level) | close)}
    assert (adjusted >= np.array(p_values)).all()
