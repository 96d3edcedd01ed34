"""Scores and intervals against scipy and against resamples that are written out row by row."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference import agreement, bootstrap_interval, correlation, jackknife_interval, object_interval
from scipy import stats

from alignbench import statistics
from alignbench.statistics import (
    Scores,
    correct_choices,
    kendall,
    pearson,
    score_choices,
    score_ratings,
    spearman,
    weighted_ranks,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Correlate = Callable[[Floats, Floats, Indices, Floats], Floats]
METRICS: dict[str, Correlate] = {"spearman": spearman, "pearson": pearson, "kendall": kendall}
every_metric = pytest.mark.parametrize("metric", list(METRICS))


@st.composite
def tied_values(draw: st.DrawFn, most: int = 40) -> tuple[Floats, Floats]:
    """Two columns of quarters with many ties; neither is constant."""
    size = draw(st.integers(3, most))
    column = st.lists(st.integers(-6, 6), min_size=size, max_size=size).filter(lambda values: len(set(values)) > 1)
    return np.array(draw(column)) / 4.0, np.array(draw(column)) / 4.0


@st.composite
def clusters_of(draw: st.DrawFn, size: int) -> Indices:
    """A cluster for each row, ascending from 0 without gaps."""
    breaks = draw(st.lists(st.booleans(), min_size=size - 1, max_size=size - 1))
    return np.cumsum([0, *breaks])


def rated(rows_per_cluster: int, clusters: int, seed: int = 0) -> tuple[Floats, Floats, Indices]:
    """Two curves of distances, tied ratings that go with them, and clusters of their own level, in mixed order."""
    rng = np.random.default_rng(seed)
    cluster = rng.permutation(np.repeat(np.arange(clusters), rows_per_cluster))
    level = rng.normal(size=clusters)[cluster]
    distances = np.exp(rng.normal(size=(2, len(cluster))) + level)
    ratings = np.round(2 * (level - np.log(distances[0]) + rng.normal(size=len(cluster)))) / 2
    return distances, ratings, cluster


def by_metric(scores: list[Scores]) -> dict[str, Scores]:
    assert [found.metric for found in scores] == list(METRICS)
    return {found.metric: found for found in scores}


def resamples(clusters: int, seed: int) -> Indices:
    """How often each cluster is drawn in each resample of the package's bootstrap."""
    weights, _ = statistics._weights(clusters, seed)
    return weights[1:].astype(np.int64)


# --- Correlations under cluster weights -----------------------------------------------------------------------------


@every_metric
@given(st.data(), tied_values())
def test_weights_of_one_give_scipys_correlation(
    metric: str, data: st.DataObject, values: tuple[Floats, Floats]
) -> None:
    x, y = values
    clusters = data.draw(clusters_of(len(x)))
    found = METRICS[metric](x[None], y, clusters, np.ones((1, clusters[-1] + 1)))
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(correlation(metric, -x, y), rel=0, abs=1e-12)


@every_metric
@given(st.data(), tied_values(most=25))
def test_whole_weights_give_scipys_correlation_of_repeated_rows(
    metric: str, data: st.DataObject, values: tuple[Floats, Floats]
) -> None:
    x, y = values
    clusters = data.draw(clusters_of(len(x)))
    count = int(clusters[-1]) + 1
    weights = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    rows = np.repeat(np.arange(len(x)), weights[clusters])
    assume(len(set(x[rows])) > 1)
    assume(len(set(y[rows])) > 1)
    found = METRICS[metric](x[None], y, clusters, weights[None].astype(float))
    assert found[0, 0] == pytest.approx(correlation(metric, -x[rows], y[rows]), rel=0, abs=1e-9)


@every_metric
@given(st.integers(0, 2**31))
def test_a_resample_without_variation_has_no_correlation(metric: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=20), rng.normal(size=20)
    x[5:] = x[4]
    kept = np.arange(20) >= 4
    found = METRICS[metric](x[None], y, np.arange(20), kept[None].astype(float))
    assert np.isnan(found[0, 0])


@every_metric
def test_curves_and_resamples_do_not_mix(metric: str) -> None:
    rng = np.random.default_rng(0)
    x, y, clusters = rng.normal(size=(3, 30)), rng.normal(size=30), np.repeat(np.arange(10), 3)
    weights = rng.multinomial(10, np.full(10, 0.1), size=4).astype(float)
    found = METRICS[metric](x, y, clusters, weights)
    for curve in range(3):
        for row in range(4):
            rows = np.repeat(np.arange(30), weights[row].astype(int)[clusters])
            assert found[curve, row] == pytest.approx(correlation(metric, -x[curve, rows], y[rows]), rel=0, abs=1e-12)


@given(st.data(), tied_values())
def test_weighted_ranks_are_the_ranks_of_the_repeated_values(
    data: st.DataObject, values: tuple[Floats, Floats]
) -> None:
    x = values[0]
    times = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(x), max_size=len(x))))
    assume(times.sum() > 0)
    rows = np.repeat(np.arange(len(x)), times)
    found = weighted_ranks(x, times[None].astype(float))[0]
    np.testing.assert_allclose(found[rows], stats.rankdata(x[rows]), rtol=1e-12)


def test_kendall_counts_every_judgment_of_large_clusters() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 50, 700) / 7.0, rng.integers(0, 20, 700) / 3.0
    clusters = np.repeat([0, 1, 2], [1, 300, 399])  # sizes that fill no whole byte
    found = kendall(x[None], y, clusters, np.ones((1, 3)))
    assert found[0, 0] == pytest.approx(stats.kendalltau(x, y).statistic, rel=0, abs=1e-12)


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


@given(tied_values(), st.sampled_from([np.exp, np.cbrt, np.arctan, lambda x: 5.0 * x - 3.0]))
def test_rank_correlations_ignore_a_monotone_scale(
    values: tuple[Floats, Floats], scale: Callable[[Floats], Floats]
) -> None:
    x, y = values
    cluster = np.arange(len(x)) % 3
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


# --- Choices --------------------------------------------------------------------------------------------------------


def test_a_choice_is_right_only_if_strictly_closest() -> None:
    distances = np.array([[1.0, 2.0, 2.0, 3.0]])
    judged = np.array([[0, 1, 3], [1, 0, 3], [1, 2, 3], [2, 1, 3], [3, 1, 0], [1, 2, 0]])
    chosen = np.array([0, 1, 0, 1, 0, 2])
    np.testing.assert_array_equal(correct_choices(distances, judged, chosen), [[1, 1, 0, 0, 0, 1]])


@given(st.integers(2, 3), st.integers(1, 30), st.integers(0, 2**31))
def test_correct_choices_equal_the_reference(options: int, judgments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 4, (2, 12)) / 3.0
    judged = np.array([rng.choice(12, options, replace=False) for _ in range(judgments)])
    chosen = rng.integers(0, options, judgments)
    found = correct_choices(distances, judged, chosen)
    for curve in range(2):
        np.testing.assert_array_equal(found[curve], agreement(distances[curve][judged], chosen.tolist()))


def chosen_right(clusters: int, seed: int = 0) -> tuple[Floats, Indices]:
    """Two curves of right and wrong choices in clusters of unequal size and difficulty, in mixed order."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, clusters)
    cluster = rng.permutation(np.repeat(np.arange(clusters), sizes))
    difficulty = rng.uniform(0.2, 0.9, clusters)[cluster]
    return (rng.random((2, len(cluster))) < difficulty).astype(float), cluster


@pytest.mark.parametrize("clusters", [5, 30, 99])
def test_accuracy_with_fewer_than_100_clusters_gets_the_jackknife(clusters: int) -> None:
    correct, cluster = chosen_right(clusters)
    found = score_choices(correct, cluster[:, None])
    assert (found.metric, found.clusters, found.interval) == ("accuracy", clusters, "cluster jackknife t")
    for curve, row in enumerate(correct):
        expected = jackknife_interval(lambda rows, row=row: float(row[rows].mean()), cluster.tolist(), fisher=False)
        assert found.value[curve] == row.mean()
        assert (found.low[curve], found.high[curve]) == pytest.approx(np.clip(expected, 0, 1), rel=0, abs=1e-12)


def test_accuracy_with_100_clusters_gets_the_percentile_bootstrap() -> None:
    correct, cluster = chosen_right(130)
    found = score_choices(correct, cluster[:, None], seed=3)
    assert (found.clusters, found.interval) == (130, "percentile cluster bootstrap")
    draws = resamples(130, seed=3)
    in_order_of_rows = list(dict.fromkeys(cluster.tolist()))
    for curve, row in enumerate(correct):
        expected = bootstrap_interval(
            lambda rows, row=row: float(row[rows].mean()), cluster.tolist(), draws[:, in_order_of_rows]
        )
        assert (found.low[curve], found.high[curve]) == pytest.approx(expected, rel=0, abs=1e-12)


def test_accuracy_of_a_single_cluster_has_no_interval() -> None:
    found = score_choices(np.array([[1.0, 0.0, 1.0]]), np.zeros((3, 1), dtype=np.int64))
    assert found.value[0] == pytest.approx(2 / 3)
    assert (found.clusters, found.interval) == (1, "none")
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("clusters", [10, 100])
def test_everything_right_has_itself_as_interval(clusters: int) -> None:
    found = score_choices(np.ones((1, 2 * clusters)), np.arange(2 * clusters)[:, None] % clusters)
    np.testing.assert_array_equal([found.value[0], found.low[0], found.high[0]], 1.0)


def judged_objects(objects: int, triplets: int, seed: int = 0) -> tuple[Floats, Indices]:
    """Choices that go right or wrong together where they share objects, and the three objects of each."""
    rng = np.random.default_rng(seed)
    rows = np.array([rng.choice(objects, 3, replace=False) for _ in range(triplets)])
    ease = rng.normal(0, 0.8, objects)
    share = 1 / (1 + np.exp(-ease[rows].sum(axis=1)))
    return (rng.random((1, triplets)) < share).astype(float), rows


@pytest.mark.parametrize(("objects", "triplets"), [(4, 6), (10, 40), (60, 500)])
def test_the_interval_by_objects_equals_the_reference(objects: int, triplets: int) -> None:
    correct, rows = judged_objects(objects, triplets)
    found = score_choices(correct, 5 * rows + 2)
    assert (found.clusters, found.interval) == (objects, "object delta-method t")
    assert found.value[0] == correct.mean()
    expected = object_interval(correct[0], [tuple(row) for row in rows.tolist()])
    assert (found.low[0], found.high[0]) == pytest.approx(np.clip(expected, 0, 1), rel=0, abs=1e-12)


def test_the_interval_by_objects_agrees_with_resampled_objects() -> None:
    objects = 80
    correct, rows = judged_objects(objects, 4000)
    draws = np.random.default_rng(0).multinomial(objects, np.full(objects, 1 / objects), size=2000)
    weights = draws[:, rows].prod(axis=2)
    spread = ((weights * correct).sum(axis=1) / weights.sum(axis=1)).std()
    found = score_choices(correct, rows)
    error = (found.high[0] - found.low[0]) / 2 / stats.t.ppf(0.975, objects - 1)
    assert error == pytest.approx(spread, rel=0.15)
    by_triplet = np.sqrt(correct.var() / correct.size)
    assert error > 2 * by_triplet, "resampling triplets understates the error where they share objects"
