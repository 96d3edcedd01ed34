"""The correlation after a logistic fit, against scipy's least squares from many starts and against invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits

from alignbench.statistics.logistic import logistic_closeness
from alignbench.statistics.scores import Scores, score_ratings
from reference import jackknife_interval
from reference_scores import logistic_fit

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def rated(noise: float, seed: int = 0, clusters: int = 25, size: int = 12) -> tuple[Floats, Floats, Indices]:
    """Distances to which ratings are a noisy falling sigmoid, and their clusters."""
    rng = np.random.default_rng(seed)
    distances = rng.gamma(3.0, 1.0, clusters * size)
    ratings = 9 / (1 + np.exp(2 * (distances - 3))) + rng.normal(0, noise, len(distances))
    return distances, ratings, np.repeat(np.arange(clusters), size)


def scored(distances: Floats, ratings: Floats, clusters: Indices) -> Scores:
    [found] = score_ratings(distances[None], ratings, clusters, metrics=("pearson_logistic",))
    return found


def pearson(x: Floats, y: Floats) -> float:
    return float(stats.pearsonr(x, y).statistic)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_well_behaved_data_have_one_best_fit(noise: float, seed: int) -> None:
    distances, ratings, clusters = rated(noise, seed)
    fitted = logistic_fit(-distances, ratings)
    found = scored(distances, ratings, clusters)
    assert found.value[0] == pytest.approx(pearson(fitted, ratings), rel=0, abs=1e-4)
    kept = jackknife_interval(lambda rows: pearson(fitted[rows], ratings[rows]), clusters.tolist(), fisher=True)
    assert (found.low[0], found.high[0]) == pytest.approx(kept, rel=0, abs=1e-3)


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.2, 0.4])
def test_weak_correlations_are_fitted_no_worse_than_by_scipy(correlation: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(3):
        closeness = np.exp(rng.normal(size=60))
        ratings = correlation * stats.zscore(closeness) + np.sqrt(1 - correlation**2) * rng.normal(size=60)
        best = pearson(logistic_fit(closeness, ratings), ratings)
        found = scored(-closeness, ratings, np.arange(60) % 6).value[0]
        assert found >= best - 1e-3, "noise has many summits of nearly the same height"


def test_the_fit_does_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.random(20_000)  # BLAS shares sums of more than 10,000 among threads
    closeness = ratings + rng.normal(size=20_000)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            fits.append(logistic_closeness(closeness[None], ratings))
    assert np.array_equal(*fits)


def test_a_sigmoid_without_noise_is_fitted_exactly() -> None:
    distances = np.random.default_rng(0).uniform(0, 6, 80)
    ratings = 1 + 7 / (1 + np.exp((distances - 2) / 0.4))
    assert scored(distances, ratings, np.arange(80) % 8).value[0] == pytest.approx(1, rel=0, abs=1e-6)


def test_two_levels_by_hand() -> None:
    """A step fits two groups best: the share of variance between the groups, whatever the distances within."""
    distances = np.array([1.0, 1.1, 1.2, 9.0, 9.1, 9.2])
    ratings = np.array([8.0, 7.0, 9.0, 2.0, 1.0, 3.0])
    between, within = 6 * 3.0**2, 4 * 1.0**2
    found = scored(distances, ratings, np.arange(6) % 3)
    assert found.value[0] >= np.sqrt(between / (between + within)) - 1e-4


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(0.01, 100), st.floats(-50, 50), st.floats(0.1, 10), st.floats(-5, 5))
def test_linear_scales_do_not_matter(seed: int, scale: float, shift: float, stretch: float, offset: float) -> None:
    distances, ratings, clusters = rated(1.0, seed % 1000, clusters=5)
    before = scored(distances, ratings, clusters)
    after = scored(scale * distances + shift, stretch * ratings + offset, clusters)
    assert after.value[0] == pytest.approx(before.value[0], rel=0, abs=1e-5)


@settings(max_examples=15)
@given(st.integers(0, 2**31))
def test_a_fit_is_never_worse_than_a_line(seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances, ratings = rng.exponential(size=40), rng.normal(size=40)
    assert scored(distances, ratings, np.arange(40) % 4).value[0] >= abs(pearson(distances, ratings)) - 1e-4


def test_a_metric_that_runs_backwards_is_turned_round() -> None:
    distances, ratings, clusters = rated(1.0)
    forwards, backwards = (scored(values, ratings, clusters).value[0] for values in (distances, 9 - distances))
    assert backwards == pytest.approx(forwards, rel=0, abs=1e-5)
    assert pearson(distances, ratings) < 0 < backwards


def test_the_fitted_function_is_monotone() -> None:
    distances, ratings, _ = rated(1.0)
    [fitted] = logistic_closeness(-distances[None], ratings)
    assert (np.diff(fitted[np.argsort(-distances)]) >= 0).all()
    [turned] = logistic_closeness(distances[None], ratings)
    assert (np.diff(turned[np.argsort(distances)]) <= 0).all()


def test_constant_distances_have_no_score() -> None:
    _, ratings, clusters = rated(1.0)
    assert np.isnan(scored(np.full(len(ratings), 0.3), ratings, clusters).value[0])


def test_duplicates_do_not_matter() -> None:
    distances, ratings, clusters = rated(1.0)
    twice = scored(np.tile(distances, 2), np.tile(ratings, 2), np.tile(clusters, 2))
    assert twice.value[0] == pytest.approx(scored(distances, ratings, clusters).value[0], rel=0, abs=1e-6)


def test_duplicates_of_weakly_correlated_ratings_do_not_matter() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        distances, ratings, clusters = rng.integers(1, 9, 48) / 8, rng.normal(size=48), np.arange(48) % 8
        twice = scored(np.tile(distances, 2), np.tile(ratings, 2), np.tile(clusters, 2))
        assert twice.value[0] == pytest.approx(scored(distances, ratings, clusters).value[0], rel=0, abs=1e-4)
