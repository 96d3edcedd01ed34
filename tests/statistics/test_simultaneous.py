"""Simultaneous bounds: the critical value by hand and by drawing judgments, several samples, what has no bounds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import IntervalKind
from alignbench.statistics.simultaneous import simultaneous_bounds

Floats = NDArray[np.float64]
BOOTSTRAP: IntervalKind = "percentile cluster bootstrap"
JACKKNIFE: IntervalKind = "cluster jackknife t"


def resampled(values: Floats, spread: Floats, seed: int) -> Floats:
    """Contrasts with a part of their noise in common, in 1,000 resamples."""
    rng = np.random.default_rng(seed)
    noise = 0.7 * rng.normal(size=1000) + 0.7 * rng.normal(size=(len(values), 1000))
    return np.concatenate([values[:, None], values[:, None] + spread[:, None] * noise], axis=1)


def left_out(data: Floats) -> Floats:
    """Means over clusters, and those without each cluster, (contrasts, 1 + clusters)."""
    count = data.shape[1]
    without = [np.delete(data, index, axis=1).mean(axis=1) for index in range(count)]
    return np.stack([data.mean(axis=1), *without], axis=1)


def deviations(contrasts: Floats) -> tuple[list[float], list[float]]:
    """Standard errors, and the largest deviation of each resample in these, number by number."""
    errors = [float(np.sqrt(np.mean([(each - row[0]) ** 2 for each in row[1:]]))) for row in contrasts]
    largest = [
        max(abs(row[1 + at] - row[0]) / error for row, error in zip(contrasts, errors, strict=True))
        for at in range(contrasts.shape[1] - 1)
    ]
    return errors, largest


def test_a_bootstrap_resamples_the_largest_deviation() -> None:
    contrasts = resampled(np.array([0.3, -0.1, 0.0]), np.array([0.01, 0.1, 1.0]), 1)
    errors, largest = deviations(contrasts)
    critical = sorted(largest)[949]  # the least that 950 of 1,000 do not exceed
    [bounds] = simultaneous_bounds([(contrasts, BOOTSTRAP)])
    np.testing.assert_allclose(bounds.low, contrasts[:, 0] - critical * np.array(errors), rtol=1e-12)
    np.testing.assert_allclose(bounds.high, contrasts[:, 0] + critical * np.array(errors), rtol=1e-12)


def test_independent_samples_share_one_chance() -> None:
    """Of all pairs of a resample of one and a resample of the other, 95 % have both largest deviations within."""
    samples = [resampled(np.zeros(5), np.full(5, 0.1), 2), resampled(np.zeros(2), np.full(2, 3.0), 3)]
    (errors, one), (_, other) = (deviations(sample) for sample in samples)
    bounds = simultaneous_bounds([(sample, BOOTSTRAP) for sample in samples])
    critical = float(bounds[0].high[0]) / errors[0]
    both = np.maximum.outer(one, other)
    assert np.mean(both <= critical * (1 + 1e-12)) >= 0.95
    assert np.mean(both < critical * (1 - 1e-12)) < 0.95


@pytest.mark.parametrize(("count", "together"), [(1, 0.0), (40, 0.0), (40, 0.9)])
def test_a_jackknife_is_bounded_as_judgments_drawn_anew_would_be(count: int, together: float) -> None:
    """Draws the data of 25 clusters and studentises each contrast by its own data, as the estimate does."""
    rng = np.random.default_rng(4)
    data = together**0.5 * rng.normal(size=25) + (1 - together) ** 0.5 * rng.normal(size=(count, 25))
    contrasts = left_out(data)
    error = data.std(axis=1, ddof=1) / 5.0
    [bounds] = simultaneous_bounds([(contrasts, JACKKNIFE)])
    reach = (bounds.high - contrasts[:, 0]) / error
    np.testing.assert_allclose(reach, reach[0], rtol=1e-9)
    root = np.linalg.cholesky(np.cov(data).reshape(count, count) + 1e-9 * np.eye(count))
    largest = []
    for _ in range(4_000):
        drawn = root @ rng.normal(size=(count, 25))
        largest.append(np.abs(drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / 5.0)).max())
    assert reach[0] == pytest.approx(np.quantile(largest, 0.95), rel=0.05)
    if count == 1:
        assert reach[0] == pytest.approx(stats.t.ppf(0.975, 24), rel=0.05)


def test_bounds_hold_together_as_often_as_they_say() -> None:
    """Thirteen layers against thirteen that are truly as good, of 25 clusters."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(120):
        shared, own = rng.normal(size=25), rng.normal(size=(2, 1, 25))
        layers = 0.5 * shared + 0.5 * own + 0.7 * rng.normal(size=(2, 13, 25))
        contrasts = left_out((layers[0][:, None] - layers[1][None]).reshape(-1, 25))
        [bounds] = simultaneous_bounds([(contrasts, JACKKNIFE)])
        held += bool((bounds.low <= 0.0).all() and (bounds.high >= 0.0).all())
    assert 0.90 <= held / 120 < 1.0  # 0.95 within two and a half standard errors


def test_what_varies_never_is_itself_and_what_has_no_value_has_no_bounds() -> None:
    contrasts = resampled(np.array([0.3, 0.2, np.nan, 0.1]), np.array([0.01, 0.0, 0.1, 0.2]), 6)
    alone = resampled(np.array([0.3, 0.2, np.nan, 0.1]), np.array([0.01, 0.0, 0.1, 0.2]), 6)[[0, 3]]
    [bounds] = simultaneous_bounds([(contrasts, BOOTSTRAP)])
    [fewer] = simultaneous_bounds([(alone, BOOTSTRAP)])
    assert bounds.low[1] == bounds.high[1] == 0.2
    assert np.isnan([bounds.low[2], bounds.high[2]]).all()
    np.testing.assert_array_equal(bounds.low[[0, 3]], fewer.low, "the other two widen nothing")


def test_without_replicates_nothing_is_known() -> None:
    published, varying = np.array([[0.3], [np.nan]]), resampled(np.array([0.1]), np.array([0.01]), 7)
    none, some = simultaneous_bounds([(published, "none"), (varying, BOOTSTRAP)])
    assert (none.low[0], none.high[0]) == (-np.inf, np.inf)
    assert np.isnan(none.low[1])
    [alone] = simultaneous_bounds([(varying, BOOTSTRAP)])
    assert some.low == alone.low


def test_a_resample_without_a_score_is_left_out_and_a_jackknife_needs_all() -> None:
    contrasts = resampled(np.array([0.3]), np.array([0.01]), 8)
    gaps = contrasts.copy()
    gaps[0, 1:501] = np.nan
    [bounds] = simultaneous_bounds([(gaps, BOOTSTRAP)])
    kept = contrasts[0, 501:]
    assert bounds.high[0] == pytest.approx(0.3 + np.sort(np.abs(kept - 0.3))[474])
    complementary = np.concatenate([gaps, contrasts])
    complementary[1, 501:] = np.nan
    [nothing] = simultaneous_bounds([(complementary, BOOTSTRAP)])
    assert np.isinf(nothing.high).all(), "no resample tells of both"
    jackknife = left_out(np.random.default_rng(9).normal(size=(1, 25)))
    jackknife[0, 3] = np.nan
    [unknown] = simultaneous_bounds([(jackknife, JACKKNIFE)])
    assert (unknown.low[0], unknown.high[0]) == (-np.inf, np.inf)
