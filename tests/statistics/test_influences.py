"""Influences against scores without one judgment, and against weights that are moved a little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.influences import Ranked, mean_influences, moved, pearson_influences, spearman_influences

Floats = NDArray[np.float64]


def left_out(score: Callable[[Floats, Floats], float], x: Floats, y: Floats) -> Floats:
    """What each judgment adds by the jackknife: (n - 1) / n (the score less that without it)."""
    n = len(x)
    without = np.array([score(np.delete(x, i), np.delete(y, i)) for i in range(n)])
    return (n - 1) / n * (without.mean() - without)


def sample(ties: bool, n: int = 300) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    x = np.stack([y + rng.normal(size=n), np.exp(-y / 2 + rng.normal(size=n))])
    return (np.round(x), np.round(2 * y) / 2) if ties else (x, y)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("influences", "score"),
    [
        (pearson_influences, lambda x, y: float(np.corrcoef(x, y)[0, 1])),
        (spearman_influences, lambda x, y: float(stats.spearmanr(x, y).statistic)),
    ],
)
def test_correlations_change_as_the_jackknife_says(
    influences: Callable[[Floats, Floats], Floats], score: Callable[[Floats, Floats], float], ties: bool
) -> None:
    x, y = sample(ties)
    found = influences(x, y)
    np.testing.assert_allclose(found.sum(axis=1), 0.0, atol=1e-12)
    for row, expected in zip(found, (left_out(score, curve, y) for curve in x), strict=True):
        assert np.corrcoef(row, expected)[0, 1] > 0.999
        assert (row**2).sum() == pytest.approx((expected**2).sum(), rel=0.1)
        assert np.abs(row - expected).max() < 0.1 * np.abs(expected).max()


def weighted_pearson(x: Floats, y: Floats, weights: Floats) -> float:
    covariance = np.cov(np.stack([x, y]), aweights=weights)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def weighted_spearman(x: Floats, y: Floats, weights: Floats) -> float:
    """The correlation of average ranks among weighted judgments, by loops."""
    ranks = (
        np.array([weights[values < v].sum() + weights[values == v].sum() / 2.0 for v in values]) for values in (x, y)
    )
    return weighted_pearson(*ranks, weights)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("influences", "weighted"), [(pearson_influences, weighted_pearson), (spearman_influences, weighted_spearman)]
)
def test_correlations_change_as_weights_do(
    influences: Callable[[Floats, Floats], Floats], weighted: Callable[[Floats, Floats, Floats], float], ties: bool
) -> None:
    """To first order, so that the tolerance is that of the step alone."""
    x, y = sample(ties, 40)
    for curve, row in zip(x, influences(x, y), strict=True):
        for i in range(40):
            more, less = np.ones(40), np.ones(40)
            more[i], less[i] = 1.0 + 1e-5, 1.0 - 1e-5
            slope = (weighted(curve, y, more) - weighted(curve, y, less)) / 2e-5
            assert row[i] == pytest.approx(slope, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.bool_])
def test_means_change_by_the_deviation(kind: type) -> None:
    values = np.array([[1, 0, 0, 1, 1], [0, 0, 1, 0, 0]], dtype=kind)
    found = np.stack([mean_influences(row) for row in values])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [[0.08, -0.12, -0.12, 0.08, 0.08], [-0.04, -0.04, 0.16, -0.04, -0.04]])


@pytest.mark.parametrize("influences", [pearson_influences, spearman_influences])
def test_constant_curves_have_none(influences: Callable[[Floats, Floats], Floats]) -> None:
    x, y = sample(ties=False, n=20)
    x[1] = 0.1
    found = influences(x, y)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
    assert np.isnan(influences(x, np.full(20, 0.1))).all()


@pytest.mark.parametrize("influences", [pearson_influences, spearman_influences])
def test_a_perfect_correlation_has_no_influence(influences: Callable[[Floats, Floats], Floats]) -> None:
    _, y = sample(ties=True, n=50)
    np.testing.assert_allclose(influences(np.stack([3.0 * y + 1.0, -y]), y), 0.0, atol=1e-15)


@pytest.mark.parametrize("ties", [False, True])
def test_a_value_that_moves_changes_the_correlation_as_its_influence_says(ties: bool) -> None:
    """Of 300 judgments 2,000 times each, a single one moves."""
    x, y = sample(ties)
    places, others = np.array([0, 17, 17, 299, 40]), np.array([y[3], 0.25, -9.0, 9.0, y[40]])
    found = moved(Ranked.of(x), Ranked.of(y[None]), y, (places, others))
    times = 2_000
    for curve, row in zip(x, found, strict=True):
        before = stats.spearmanr(curve, y).statistic
        for place, other, change in zip(places, others, row, strict=True):
            many = np.repeat(y, times)
            many[place * times] = other
            after = stats.spearmanr(np.repeat(curve, times), many).statistic
            assert change == pytest.approx(times * (after - before), abs=2e-5)
    np.testing.assert_allclose(found[:, 4], 0.0, atol=1e-15)
