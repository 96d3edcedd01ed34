"""Runs scored on the same judgments, and what is known of any weighted sum of their scores, against plain loops."""

import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.choice_scores import score_choices
from alignbench.statistics.scored_together import Judged, ResampledScores, ScoredTogether, score_together
from object_pairs import by_pairs, drawn_objects

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def whole(scored: ScoredTogether) -> Floats:
    """All scores, then what they might have been."""
    return scored.replicates(np.arange(len(scored.value)))


def closest(distances: Floats, options: Indices, chosen: Indices, share_ties: bool) -> Floats:
    """Whether what people chose is the closest, judgment by judgment, (curves, n)."""
    found = np.zeros((len(distances), len(options)))
    for curve, row in zip(distances, found, strict=True):
        for judgment, (pairs, choice) in enumerate(zip(options, chosen, strict=True)):
            ties = int((curve[pairs] == curve[pairs].min()).sum())
            first = curve[pairs[choice]] == curve[pairs].min()
            row[judgment] = first * (1 / ties if share_ties else ties == 1)
    return found


def chosen_by_object(share_ties: bool, seed: int = 2) -> tuple[ScoredTogether, Floats, list[list[int]]]:
    """Two curves of one run and one of another, how far each choice is right, and the objects of each."""
    rng = np.random.default_rng(seed)
    objects = drawn_objects(rng, 15, 80, 3)
    distances = rng.integers(0, 4, (3, 240)).astype(float)
    distances[1] -= 0.5 * rng.normal(size=15)[objects].sum(axis=1).repeat(3) * np.tile([1, 0, 0], 80)
    options, chosen = np.arange(240).reshape(-1, 3), np.zeros(80)
    turned = options[:, ::-1], distances[2:, ::-1]  # the same pairs under other numbers
    runs = [
        Judged(distances[:2], options, "choice", share_ties),
        Judged(turned[1], 239 - options, "choice", share_ties),
    ]
    scored = score_together(iter(runs), chosen, 10 + objects, 5)
    return scored, closest(distances, options, chosen.astype(int), share_ties), objects.tolist()


# --- What is scored ---------------------------------------------------------------------------------------------------


def test_runs_find_their_own_pairs_and_each_counts_ties_by_its_own_rule() -> None:
    distances = np.array([[1.0, 2.0, 3.0, 3.0]])
    options = np.array([[0, 1], [2, 3]])
    runs = [
        Judged(distances, options, "choice", share_ties=False),
        Judged(distances, options, "choice", share_ties=True),
        Judged(distances[:, ::-1], 3 - options, "choice", share_ties=False),  # the same pairs in another order
    ]
    scored = score_together(runs, np.array([0.0, 1.0]), np.array([[0], [0]]), 0)
    assert (scored.kind, scored.clusters) == ("none", 1), "one cluster cannot be resampled"
    assert scored.value.tolist() == [0.5, 0.75, 0.5]
    by_object = score_together(runs, np.array([0.0, 1.0]), np.array([[0, 1, 2], [2, 3, 4]]), 0)
    assert by_object.value.tolist() == [0.5, 0.75, 0.5]
    assert (by_object.kind, by_object.clusters) == ("none", 5), "both judgments share an object"


def test_few_clusters_are_left_out_one_at_a_time() -> None:
    """Each replicate of a jackknife is the score of the judgments without one cluster."""
    rng = np.random.default_rng(1)
    distances, ratings, clusters = rng.uniform(size=(2, 30)), rng.normal(size=30), np.repeat(np.arange(6), 5)
    judged = Judged(distances, np.arange(30)[:, None], "rating", share_ties=False)
    scored = score_together([judged], ratings, clusters[:, None], 0)
    assert (scored.kind, scored.clusters) == ("cluster jackknife t", 6)
    found = whole(scored)
    assert found.shape == (2, 7)
    for curve, row in zip(distances, found, strict=True):
        kept = [np.ones(30, dtype=bool), *(clusters != cluster for cluster in range(6))]
        expected = [stats.spearmanr(-curve[rows], ratings[rows]).statistic for rows in kept]
        np.testing.assert_allclose(row, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["choice", "preference"])
def test_many_clusters_are_drawn_for_all_runs_at_once(kind: str) -> None:
    rng = np.random.default_rng(3)
    distances, cluster = rng.uniform(size=(3, 480)), np.repeat(np.arange(120), 2)
    options = np.arange(480).reshape(-1, 2)
    human = rng.integers(0, 2, 240).astype(float) if kind == "choice" else rng.integers(0, 6, 240) / 5
    runs = [Judged(some, options, kind, share_ties=False) for some in (distances[:1], distances[1:])]
    scored = score_together(runs, human, cluster[:, None], 7)
    assert (scored.kind, scored.clusters) == ("percentile cluster bootstrap", 120)
    first_closer = distances[:, options[:, 0]] < distances[:, options[:, 1]]
    right = np.where(first_closer, 1.0 - human, human)
    weights = cluster_weights(120, 7)[0][:, cluster]
    expected = [[np.average(row, weights=weight) for weight in weights] for row in right]
    np.testing.assert_allclose(whole(scored), expected, rtol=1e-12)
    np.testing.assert_array_equal(scored.replicates(np.array([2, 0])), whole(scored)[[2, 0]])


def test_the_score_itself_is_that_of_choices_alone() -> None:
    rng = np.random.default_rng(3)
    distances, chosen = rng.uniform(size=(3, 120)), rng.integers(0, 3, 40)
    options = np.arange(120).reshape(-1, 3)
    right = (distances[:, options].argmin(axis=2) == chosen).astype(float)
    for clusters in (np.arange(40)[:, None], drawn_objects(rng, 12, 40, 3)):
        scored = score_together([Judged(distances, options, "choice", False)], chosen.astype(float), clusters, 0)
        np.testing.assert_allclose(scored.value, right.mean(axis=1))
        alone = score_choices(right, clusters)
        for curve in range(3):
            found = scored.contrast(np.eye(3)[curve])
            ends = max(0.0, found.low), min(1.0, found.high)
            assert ends == pytest.approx((alone.low[curve], alone.high[curve]), abs=1e-9)


def test_no_more_than_a_few_curves_are_held_beside_the_distances() -> None:
    """Of 40 curves and 100,000 judgments of 30 objects, all that is right and wrong would take 32 MB as float64."""
    rng = np.random.default_rng(0)
    count = 100_000
    rows = np.argsort(rng.random((count, 30)), axis=1)[:, :3]
    options = rng.integers(0, 1_000, (count, 3))

    def runs() -> Iterator[Judged]:
        for _ in range(4):
            yield Judged(rng.random((10, 1_000)), options, "choice", share_ties=True)

    tracemalloc.start()
    scored = score_together(runs(), np.zeros(count), rows, 0)
    scored.contrast(np.eye(40)[0] - np.eye(40)[39])
    scored.replicates(np.arange(40))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25e6


# --- Weighted sums of scores ----------------------------------------------------------------------------------------

SUMS = [(1.0, 0.0, 0.0), (0.0, 1.0, -1.0), (0.3, 0.7, -1.0), (1 / 3, 1 / 3, 1 / 3)]


@pytest.mark.parametrize("share_ties", [False, True])
@pytest.mark.parametrize("weights", SUMS)
def test_a_sum_over_objects_counts_each_two_judgments_that_share_one_once(
    weights: tuple[float, ...], share_ties: bool
) -> None:
    scored, right, objects = chosen_by_object(share_ties)
    assert (scored.kind, scored.clusters) == ("objects counted once t", 15)
    np.testing.assert_allclose(scored.value, right.mean(axis=1), rtol=1e-12)
    row = np.array(weights) @ right
    expected = by_pairs(objects, (row - row.mean()) / len(row))
    found = scored.contrast(np.array(weights))
    error = math.sqrt(expected.variance)
    assert found.value == pytest.approx(row.mean(), abs=1e-12)
    most = sum(weight for weight in weights if weight > 0), sum(weight for weight in weights if weight < 0)
    ends = np.clip(expected.interval(row.mean()), most[1], most[0])  # of shares, which lie between 0 and 1
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=1e-12)
    assert found.p == pytest.approx(expected.p_value(row.mean()), rel=1e-9)
    assert found.smallest == pytest.approx((stats.t.ppf(0.975, expected.degrees_used) + stats.norm.ppf(0.8)) * error)
    assert found.floored == expected.floored


def test_among_these_sums_are_floored_ones_and_others() -> None:
    scored = chosen_by_object(share_ties=False)[0]
    assert {scored.contrast(np.array(weights)).floored for weights in SUMS} == {False, True}


def test_estimates_over_objects_are_the_scores_with_their_covariance() -> None:
    scored, right, objects = chosen_by_object(share_ties=False)
    some = np.array([2, 1])
    found = scored.estimates(some)
    deviations = (right - right.mean(axis=1, keepdims=True)) / right.shape[1]
    own = [by_pairs(objects, deviations[curve]) for curve in some]
    np.testing.assert_allclose(found.value, right.mean(axis=1)[some], rtol=1e-12)
    np.testing.assert_allclose(np.diag(found.covariance), [one.variance for one in own], rtol=1e-9)
    assert found.degrees == pytest.approx(min(one.degrees_used for one in own))
    assert found.influences is None
    assert scored.error(np.array([0.0, 1.0, 0.0])) == pytest.approx(math.sqrt(own[1].variance), rel=1e-9)


def test_what_scores_over_objects_might_have_been_is_drawn_from_t() -> None:
    scored, _, _ = chosen_by_object(share_ties=False)
    known = scored.estimates(np.arange(3))
    found = whole(scored)
    assert found.shape == (3, 1001)
    np.testing.assert_array_equal(found[:, 0], scored.value)
    np.testing.assert_array_equal(found, whole(scored))
    for curve in range(3):
        scaled = (found[curve, 1:] - found[curve, 0]) / np.sqrt(known.covariance[curve, curve])
        assert stats.kstest(scaled, stats.t(known.degrees).cdf).pvalue > 0.001
    pair = scored.replicates(np.array([0, 1]))
    np.testing.assert_allclose(
        np.corrcoef(pair[:, 1:])[0, 1],
        known.covariance[0, 1] / math.sqrt(np.prod(np.diag(known.covariance)[:2])),
        atol=0.1,
    )


@pytest.mark.parametrize("weights", SUMS)
def test_a_sum_by_cluster_is_the_sum_of_replicates(weights: tuple[float, ...]) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0.5, 0.1, (3, 25))
    influences = (values - values.mean(axis=1, keepdims=True)) / 25
    left_out = np.array([[np.delete(row, cluster).mean() for cluster in range(25)] for row in values])
    replicates = np.column_stack([values.mean(axis=1), left_out])
    expected = stats.ttest_1samp(np.array(weights) @ values, 0.0)
    ends = expected.confidence_interval(0.95)
    error = stats.sem(np.array(weights) @ values)
    for given in (influences, None):
        scored = ResampledScores(replicates, "cluster jackknife t", 25, given)
        found = scored.contrast(np.array(weights))
        assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-9)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
        assert scored.error(np.array(weights)) == pytest.approx(error, rel=1e-9)
        assert found.smallest == pytest.approx((stats.t.ppf(0.975, 24) + stats.norm.ppf(0.8)) * error, rel=1e-9)
        known = scored.estimates(np.arange(3))
        np.testing.assert_allclose(known.covariance, np.cov(values) / 25, rtol=1e-9)
        assert known.degrees == 24


def test_scores_whose_error_is_not_known() -> None:
    alone = ResampledScores(np.array([[0.5], [0.7]]), "none", 1, np.zeros((2, 1)))
    rows = np.array([[0, 1, 2], [2, 3, 4], [0, 3, 1]] * 2)
    run = Judged(np.random.default_rng(0).random((2, 18)), np.arange(18).reshape(6, 3), "choice", share_ties=False)
    meeting = score_together([run], np.zeros(6), rows, 0)
    for scored in (alone, meeting):
        assert scored.kind == "none"
        found = scored.contrast(np.array([1.0, -1.0]))
        assert found.value == pytest.approx(scored.value[0] - scored.value[1])
        assert np.isnan([found.low, found.high, found.p, found.smallest]).all()
        assert math.isnan(scored.error(np.array([1.0, -1.0])))
        assert not scored.estimates(np.arange(2)).is_known


@pytest.mark.parametrize("by_object", [False, True])
def test_a_curve_without_a_score_leaves_the_others_alone(by_object: bool) -> None:
    rng = np.random.default_rng(9)
    options, chosen = np.arange(180).reshape(-1, 3), rng.integers(0, 3, 60).astype(float)
    distances = rng.random((3, 180))
    distances[1] = np.nan  # as normalised distances of tokens that are all alike
    clusters = drawn_objects(rng, 14, 60, 3) if by_object else np.arange(60)[:, None]
    scored = score_together([Judged(distances, options, "choice", True)], chosen, clusters, 0)
    without = score_together([Judged(distances[::2], options, "choice", True)], chosen, clusters, 0)
    found, expected = scored.contrast(np.array([1.0, 0.0, -1.0])), without.contrast(np.array([1.0, -1.0]))
    assert (found.value, found.p) == pytest.approx((expected.value, expected.p), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    missing = scored.contrast(np.array([1.0, -1.0, 0.0]))
    assert np.isnan([missing.value, missing.low, missing.high, missing.p, missing.smallest]).all()


@pytest.mark.parametrize("by_object", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.3, 1 / 3])
def test_between_equal_curves_there_is_no_difference(by_object: bool, share: float) -> None:
    """What rounding leaves of weighted sums that are equal is no evidence; without care it has a p-value of 0."""
    rng = np.random.default_rng(0)
    options, chosen = np.arange(180).reshape(-1, 3), rng.integers(0, 3, 60).astype(float)
    one = rng.random((1, 180))
    clusters = drawn_objects(rng, 14, 60, 3) if by_object else np.arange(60)[:, None]
    scored = score_together([Judged(one.repeat(5, axis=0), options, "choice", False)], chosen, clusters, 0)
    found = scored.contrast(np.array([share, 0.0, 1.0 - share, -1.0, 0.0]))
    assert (found.value, found.low, found.high, found.p, found.smallest) == (0.0, 0.0, 0.0, 1.0, 0.0)
    assert not found.floored
    assert scored.error(np.array([share, 0.0, 1.0 - share, -1.0, 0.0])) == 0.0
