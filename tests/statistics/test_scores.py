"""Scores and intervals against scipy and against resamples that are written out row by row."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.influences import pearson_influences, spearman_influences
from alignbench.statistics.scores import Scores, correlations_with_intervals, score_ratings
from alignbench.statistics.shared_objects import SharedObjects
from object_pairs import by_pairs
from paired_scores import compare_ratings
from reference import (
    RATING_METRICS,
    bootstrap_interval,
    correlation,
    jackknife_interval,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
every_metric = pytest.mark.parametrize("metric", RATING_METRICS)


def rated(rows_per_cluster: int, clusters: int, seed: int = 0) -> tuple[Floats, Floats, Indices]:
    """Two curves of distances, tied ratings that go with them, and clusters of their own level, in mixed order."""
    rng = np.random.default_rng(seed)
    cluster = rng.permutation(np.repeat(np.arange(clusters), rows_per_cluster))
    level = rng.normal(size=clusters)[cluster]
    distances = np.exp(rng.normal(size=(2, len(cluster))) + level)
    ratings = np.round(2 * (level - np.log(distances[0]) + rng.normal(size=len(cluster)))) / 2
    return distances, ratings, cluster


def by_metric(scores: list[Scores]) -> dict[str, Scores]:
    assert [found.metric for found in scores] == list(RATING_METRICS)
    return {found.metric: found for found in scores}


def resamples(clusters: int, seed: int) -> Indices:
    """How often each cluster is drawn in each resample of the package's bootstrap."""
    weights, _ = cluster_weights(clusters, seed)
    return weights[1:].astype(np.int64)


# --- Ratings --------------------------------------------------------------------------------------------------------


@every_metric
@pytest.mark.parametrize("clusters", [4, 25, 99])
def test_fewer_than_100_clusters_get_the_jackknife_on_fishers_z(metric: str, clusters: int) -> None:
    distances, ratings, cluster = rated(3, clusters)
    found = by_metric(score_ratings(distances, ratings, cluster))[metric]
    assert (found.clusters, found.interval) == (clusters, "cluster jackknife t")
    for curve, row in enumerate(distances):
        assert found.value[curve] == pytest.approx(correlation(metric, row, ratings), rel=0, abs=1e-12)
        expected = jackknife_interval(
            lambda rows, row=row: correlation(metric, row[rows], ratings[rows]), cluster.tolist(), fisher=True
        )
        assert (found.low[curve], found.high[curve]) == pytest.approx(expected, rel=0, abs=1e-9)


@every_metric
def test_100_clusters_get_the_percentile_bootstrap(metric: str) -> None:
    distances, ratings, cluster = rated(2, 100)
    found = by_metric(score_ratings(distances[:1], ratings, cluster, seed=7))[metric]
    assert (found.clusters, found.interval) == (100, "percentile cluster bootstrap")
    draws = resamples(100, seed=7)
    in_order_of_rows = list(dict.fromkeys(cluster.tolist()))
    expected = bootstrap_interval(
        lambda rows: correlation(metric, distances[0, rows], ratings[rows]),
        cluster.tolist(),
        draws[:, in_order_of_rows],
    )
    assert (found.low[0], found.high[0]) == pytest.approx(expected, rel=0, abs=1e-9)


def test_resamples_draw_clusters_with_replacement() -> None:
    draws = resamples(150, seed=1)
    assert draws.shape == (1000, 150)
    assert (draws.sum(axis=1) == 150).all()
    counted = np.bincount(draws.ravel(), minlength=4)[:4] / draws.size
    np.testing.assert_allclose(counted, stats.binom.pmf(range(4), 150, 1 / 150), rtol=0, atol=0.005)
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.01
    np.testing.assert_array_equal(resamples(150, seed=1), draws)
    assert (resamples(150, seed=2) != draws).any()


def test_the_seed_settles_the_bootstrap() -> None:
    distances, ratings, cluster = rated(2, 100)
    first, again, other = (
        by_metric(score_ratings(distances, ratings, cluster, seed))["spearman"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal([again.low, again.high], [first.low, first.high])
    assert (other.low != first.low).all()
    np.testing.assert_allclose([other.low, other.high], [first.low, first.high], rtol=0, atol=0.03)


def test_the_order_of_rows_and_the_names_of_clusters_do_not_matter() -> None:
    distances, ratings, cluster = rated(3, 12)
    order = np.random.default_rng(0).permutation(len(ratings))
    renamed = (10 * cluster + 7)[order]
    before = score_ratings(distances, ratings, cluster)
    after = score_ratings(distances[:, order], ratings[order], renamed)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose([b.value, b.low, b.high], [a.value, a.low, a.high], rtol=0, atol=1e-12)


@given(st.integers(0, 2**31), st.sampled_from([np.exp, np.cbrt, np.arctan, lambda x: 5.0 * x - 3.0]))
def test_rank_correlations_ignore_a_monotone_scale(seed: int, scale: Callable[[Floats], Floats]) -> None:
    x, y = np.random.default_rng(seed).integers(-8, 9, (2, 30)) / 4.0
    cluster = np.arange(30) % 3
    before, after = (by_metric(score_ratings(row[None], y, cluster)) for row in (x, scale(x)))
    for metric in ("spearman", "kendall"):
        for end in ("value", "low", "high"):
            np.testing.assert_array_equal(getattr(after[metric], end), getattr(before[metric], end))


@every_metric
def test_ratings_that_fall_with_distance_score_above_0(metric: str) -> None:
    distances, ratings, cluster = rated(3, 12)
    found = by_metric(score_ratings(distances, ratings, cluster))[metric]
    assert found.value[0] > 0.3


@every_metric
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("clusters", [5, 25, 100])
def test_a_perfect_correlation_has_itself_as_interval(metric: str, sign: float, clusters: int) -> None:
    ratings = np.random.default_rng(0).normal(5.0, 1.3, 2 * clusters)
    distances = 9.0 - sign * ratings
    found = by_metric(score_ratings(distances[None], ratings, np.arange(2 * clusters) % clusters))[metric]
    np.testing.assert_allclose([found.value[0], found.low[0], found.high[0]], sign, rtol=0, atol=1e-9)


@every_metric
@pytest.mark.parametrize("clusters", [10, 100])
def test_constant_distances_have_no_score(metric: str, clusters: int) -> None:
    _, ratings, cluster = rated(2, clusters)
    distances = np.stack([np.full(len(ratings), 0.1), np.linspace(0.0, 1.0, len(ratings))])
    found = by_metric(score_ratings(distances, ratings, cluster))[metric]
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()
    assert np.isfinite([found.value[1], found.low[1], found.high[1]]).all()


@every_metric
def test_distances_that_vary_in_one_cluster_only_have_no_interval(metric: str) -> None:
    ratings, cluster = np.random.default_rng(0).normal(size=30), np.repeat(np.arange(10), 3)
    distances = np.where(cluster == 4, 0.1 + np.arange(30) / 70, 0.1)
    found = by_metric(score_ratings(distances[None], ratings, cluster))[metric]
    assert found.value[0] == pytest.approx(correlation(metric, distances, ratings), rel=0, abs=1e-12)
    assert np.isnan([found.low, found.high]).all(), "without that cluster there is no correlation"


@every_metric
def test_a_single_cluster_has_a_score_but_no_interval(metric: str) -> None:
    distances, ratings, _ = rated(1, 20)
    found = by_metric(score_ratings(distances, ratings, np.zeros(20, dtype=np.int64)))[metric]
    assert (found.clusters, found.interval) == (1, "none")
    assert found.value[0] == pytest.approx(correlation(metric, distances[0], ratings), rel=0, abs=1e-12)
    assert np.isnan([found.low, found.high]).all()


def test_scoring_leaves_its_arguments_alone() -> None:
    distances, ratings, cluster = rated(3, 12)
    copies = distances.copy(), ratings.copy(), cluster.copy()
    score_ratings(distances, ratings, cluster)
    for given_array, copy in zip((distances, ratings, cluster), copies, strict=True):
        np.testing.assert_array_equal(given_array, copy)


# --- Pairs of pictures, counted once --------------------------------------------------------------------------------


def correlations_over_objects(metric: str, value: Floats, influences: Floats, shared: SharedObjects) -> Scores:
    sums = shared.sums(influences)
    return correlations_with_intervals(metric, value, sums.variance(), (shared.count, sums.kind))


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_correlations_over_objects_are_on_fishers_z(metric: str) -> None:
    rng = np.random.default_rng(4)
    pairs = np.column_stack(np.triu_indices(25, 1))
    own = rng.normal(size=(2, 25))[:, pairs].sum(axis=2)
    x, y = own[:1] + rng.normal(size=(1, 300)), own.sum(axis=0) + rng.normal(size=300)
    influences = {"pearson": pearson_influences, "spearman": spearman_influences}[metric](x, y)
    r = correlation(metric, -x[0], y)
    found = correlations_over_objects(metric, np.array([r]), influences, SharedObjects(pairs))
    assert (found.metric, found.clusters, found.interval) == (metric, 25, "objects counted once t")
    expected = by_pairs(pairs.tolist(), influences[0])
    assert found.floored == expected.floored
    error = np.sqrt(expected.variance) / (1.0 - r**2)
    ends = np.tanh(stats.t.interval(0.95, expected.degrees_used, np.arctanh(r), error))
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(ends), rel=1e-9)


def test_correlations_that_are_not_there_leave_the_others_alone() -> None:
    rng = np.random.default_rng(5)
    pairs = np.column_stack(np.triu_indices(12, 1))
    x, y = rng.normal(size=(2, 66)), rng.normal(size=66)
    x[1] = 0.1
    r = np.array([correlation("pearson", -x[0], y), np.nan])
    influences, shared = pearson_influences(x, y), SharedObjects(pairs)
    both = correlations_over_objects("pearson", r, influences, shared)
    alone = correlations_over_objects("pearson", r[:1], influences[:1], shared)
    assert (both.low[0], both.high[0]) == pytest.approx((alone.low[0], alone.high[0]), rel=1e-9)
    assert np.isnan([both.low[1], both.high[1]]).all()


def test_correlations_over_objects_without_an_error_or_without_an_interval() -> None:
    rows, y = np.arange(30).reshape(10, 3), np.arange(10.0)
    perfect = correlations_over_objects("pearson", np.ones(1), np.zeros((1, 10)), SharedObjects(rows))
    assert (perfect.low[0], perfect.high[0]) == (1.0, 1.0)
    meeting = SharedObjects(np.column_stack([np.zeros(10), rows[:, 1:]]).astype(np.int64))
    none = correlations_over_objects("pearson", np.zeros(1), pearson_influences(y[None] % 3, y), meeting)
    assert none.interval == "none", "all judgments share an object"
    assert np.isnan([none.low, none.high]).all()


# --- Differences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", [25, 120])
def test_the_difference_of_two_models_is_resampled_in_pairs(clusters: int) -> None:
    (first, second), ratings, cluster = rated(2, clusters)

    def difference(rows: Indices) -> float:
        scores = [correlation("spearman", distances[rows], ratings[rows]) for distances in (first, second)]
        return scores[0] - scores[1]

    found = compare_ratings(first, second, ratings, cluster, seed=5)
    assert found.value == pytest.approx(difference(np.arange(len(ratings))), rel=0, abs=1e-12)
    if clusters < 100:
        expected = jackknife_interval(difference, cluster.tolist(), fisher=False)
    else:
        in_order_of_rows = list(dict.fromkeys(cluster.tolist()))
        expected = bootstrap_interval(difference, cluster.tolist(), resamples(clusters, seed=5)[:, in_order_of_rows])
    assert (found.low, found.high) == pytest.approx(expected, rel=0, abs=1e-9)


@pytest.mark.parametrize("clusters", [25, 120])
def test_a_model_does_not_differ_from_itself(clusters: int) -> None:
    (distances, _), ratings, cluster = rated(2, clusters)
    found = compare_ratings(distances, np.cbrt(distances), ratings, cluster)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
