"""Accuracy, ratios and functions of both against plain loops: by cluster, and where judgments share objects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.choice_scores import (
    ACCURACY,
    Formula,
    Resampled,
    ratio_itself,
    score_choices,
    score_formulas,
)
from object_pairs import by_pairs, drawn_objects
from paired_scores import compare_choices
from reference import bootstrap_interval, jackknife_interval

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def resamples(clusters: int, seed: int) -> Indices:
    """How often each cluster is drawn in each resample of the package's bootstrap."""
    weights, _ = cluster_weights(clusters, seed)
    return weights[1:].astype(np.int64)


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


# --- Choices that share objects -----------------------------------------------------------------------------------


def judged_objects(objects: int, triplets: int, seed: int = 0) -> tuple[Floats, Indices]:
    """Two curves of choices that go right or wrong together where they share objects, and the objects of each."""
    rng = np.random.default_rng(seed)
    rows = drawn_objects(rng, objects, triplets, 3)
    ease = rng.normal(0, 0.8, (2, objects)) * [[1.0], [0.0]]
    share = 1 / (1 + np.exp(-ease[:, rows].sum(axis=2)))
    return (rng.random((2, triplets)) < share).astype(float), rows


@pytest.mark.parametrize(("objects", "triplets"), [(7, 30), (25, 120), (60, 300)])
def test_the_interval_by_objects_counts_each_two_choices_that_share_one_once(objects: int, triplets: int) -> None:
    correct, rows = judged_objects(objects, triplets)
    found = score_choices(iter(correct), 5 * rows + 2)
    assert (found.metric, found.clusters, found.interval) == ("accuracy", objects, "objects counted once t")
    floored = 0
    for curve, row in enumerate(correct):
        expected = by_pairs(rows.tolist(), (row - row.mean()) / triplets)
        assert found.value[curve] == row.mean()
        ends = np.clip(expected.interval(row.mean()), 0.0, 1.0)
        assert (found.low[curve], found.high[curve]) == pytest.approx(tuple(ends), rel=0, abs=1e-12)
        floored += expected.floored
    assert found.floored == floored


def test_among_these_are_floored_intervals_and_others() -> None:
    correct, rows = judged_objects(25, 120)
    floored = [by_pairs(rows.tolist(), (row - row.mean()) / 120).floored for row in correct]
    assert score_choices(correct, rows).floored == sum(floored) == 1


def test_choices_that_go_together_are_less_certain_than_as_many_alone() -> None:
    correct, rows = judged_objects(80, 4000)
    found = score_choices(correct[:1], rows)
    alone = 2 * 1.96 * np.sqrt(correct[0].var() / correct[0].size)
    assert (found.high - found.low)[0] > 2 * alone


def test_choices_that_have_nothing_in_common_but_objects_are_not_counted_three_times() -> None:
    """As sums over objects would, whose squares count a triplet once for each of its three."""
    rows = drawn_objects(np.random.default_rng(2), 300, 300, 3)
    correct = (np.random.default_rng(3).random((1, 300)) < 0.6).astype(float)
    found = score_choices(correct, rows)
    deviation = (correct[0] - correct.mean()) / 300
    of_objects = [deviation[(rows == name).any(axis=1)].sum() for name in np.unique(rows)]
    thrice = 2 * stats.t.ppf(0.975, len(of_objects) - 1) * np.sqrt(np.square(of_objects).sum())
    assert (found.high - found.low)[0] < 0.75 * thrice


@pytest.mark.parametrize("objects", [[[0, 1, 2]] * 6, [[0, 1, 2], [2, 3, 4], [0, 3, 1]] * 2])
def test_choices_of_which_all_share_an_object_have_no_interval(objects: list[list[int]]) -> None:
    found = score_choices(np.array([[1, 0, 1, 1, 0, 1.0]]), np.array(objects))
    assert found.value[0] == pytest.approx(4 / 6)
    assert (found.interval, found.floored) == ("none", 0)
    assert np.isnan([found.low, found.high]).all()


def test_everything_right_by_object_has_itself_as_interval() -> None:
    found = score_choices(np.ones((1, 10)), np.arange(30).reshape(10, 3))
    assert (found.value[0], found.low[0], found.high[0]) == (1.0, 1.0, 1.0)


# --- Ratios, and functions of them ----------------------------------------------------------------------------------

SHARE = Formula(
    "share",
    lambda mean, top, _: mean / top,
    lambda mean, top, _: (1.0 / top, -mean / top**2, 0.0),
    (-np.inf, np.inf),
)
FORMULAS = (ACCURACY, ratio_itself("second", 1), SHARE)


def ratios_of(count: int) -> list[tuple[Floats, Floats]]:
    """Two ratios of sums over judgments, about 0.7 and 0.2."""
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 1.5, (2, count))
    above = weight * np.array([[0.7], [0.2]]) * rng.uniform(0.5, 1.5, (2, count))
    return list(zip(above, weight, strict=True))


def written_out(correct: Floats, weights: Floats) -> dict[str, float]:
    """The three scores where judgments have weights."""
    mean = float(np.average(correct, weights=weights))
    first, second = ((weights @ above) / (weights @ below) for above, below in ratios_of(len(correct)))
    return {"accuracy": mean, "second": float(second), "share": float(mean / first)}


def test_functions_of_ratios_are_resampled_together() -> None:
    correct, cluster = chosen_right(30)
    found = score_formulas(correct, ratios_of(len(cluster)), FORMULAS, cluster[:, None], 0)
    assert [score.metric for score in found] == ["accuracy", "second", "share"]
    for score in found:
        for curve, row in enumerate(correct):

            def statistic(rows: Indices, row: Floats = row, metric: str = score.metric) -> float:
                return written_out(row, np.bincount(rows, minlength=len(row)).astype(float))[metric]

            assert score.value[curve] == pytest.approx(statistic(np.arange(len(row))), rel=1e-12)
            expected = jackknife_interval(statistic, cluster.tolist(), fisher=False)
            ends = expected if score.metric == "share" else np.clip(expected, 0, 1)
            assert (score.low[curve], score.high[curve]) == pytest.approx(tuple(ends), rel=0, abs=1e-11)


def test_functions_of_ratios_over_objects_follow_their_slopes() -> None:
    correct, rows = judged_objects(25, 120)
    found = score_formulas(correct, ratios_of(120), FORMULAS, rows, 0)
    for score in found:
        for curve, row in enumerate(correct):
            step = 1e-6 * np.eye(120)
            slopes = [
                (written_out(row, 1 + up)[score.metric] - written_out(row, 1 - up)[score.metric]) / 2e-6 for up in step
            ]
            expected = by_pairs(rows.tolist(), np.array(slopes))
            value = written_out(row, np.ones(120))[score.metric]
            assert score.value[curve] == pytest.approx(value, rel=1e-12)
            ends = expected.interval(value)
            ends = ends if score.metric == "share" else tuple(np.clip(ends, 0.0, 1.0))
            assert (score.low[curve], score.high[curve]) == pytest.approx(ends, rel=0, abs=1e-6)


def test_curves_are_taken_one_at_a_time() -> None:
    """Of millions of judgments those of all curves would not fit."""
    correct, rows = judged_objects(25, 120)
    for clusters in (rows, rows[:, :1]):
        held: list[int] = []

        def curves(held: list[int] = held) -> Iterator[Floats]:
            for number in range(4):
                given = correct[number % 2].copy()
                held.append(number)
                yield given
                given[:] = np.nan

        found = score_choices(curves(), clusters)
        assert held == [0, 1, 2, 3]
        np.testing.assert_array_equal(found.value, correct.mean(axis=1)[[0, 1, 0, 1]])


def test_residuals_of_a_ratio_are_what_each_cluster_adds() -> None:
    correct, cluster = chosen_right(12)
    resampled = Resampled(7 * cluster[:, None] - 5, 0)
    above, below = ratios_of(len(cluster))[0]
    ratio = resampled.ratio([correct[0] * above, above], below)
    assert resampled.count == 12
    for curve, numerator in enumerate((correct[0] * above, above)):
        assert ratio.value[curve] == pytest.approx(numerator.sum() / below.sum(), rel=1e-12)
        for number, found in zip(np.unique(cluster), ratio.residuals[curve], strict=True):
            more, less = (1.0 + step * (cluster == number) for step in (1e-6, -1e-6))
            slope = ((more @ numerator) / (more @ below) - (less @ numerator) / (less @ below)) / 2e-6
            assert found == pytest.approx(slope, rel=1e-6, abs=1e-11)


# --- Differences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", [25, 120])
def test_the_difference_of_two_accuracies_is_resampled_in_pairs(clusters: int) -> None:
    (first, second), cluster = chosen_right(clusters)

    def difference(rows: Indices) -> float:
        return float(first[rows].mean() - second[rows].mean())

    found = compare_choices(first, second, cluster, seed=5)
    assert found.value == pytest.approx(difference(np.arange(len(first))), rel=0, abs=1e-12)
    if clusters < 100:
        expected = jackknife_interval(difference, cluster.tolist(), fisher=False)
    else:
        in_order_of_rows = list(dict.fromkeys(cluster.tolist()))
        expected = bootstrap_interval(difference, cluster.tolist(), resamples(clusters, seed=5)[:, in_order_of_rows])
    assert (found.low, found.high) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("clusters", [25, 120])
def test_a_model_does_not_differ_from_itself(clusters: int) -> None:
    (correct, _), cluster = chosen_right(clusters)
    same = compare_choices(correct, correct, cluster)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_pairing_tells_models_apart_that_their_own_intervals_do_not() -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.random(400)
    better, worse = ((difficulty < share).astype(float) for share in (0.62, 0.58))
    cluster = np.arange(400)
    alone = score_choices(np.stack([better, worse]), cluster[:, None])
    assert alone.low[0] < alone.high[1], "the two intervals overlap"
    assert compare_choices(better, worse, cluster).low > 0
    assert compare_choices(worse, better, cluster).high < 0
