"""Runs scored in the same resamples, and their difference at a place, held against plain loops."""

import math

import numpy as np
import pytest
from scipy import stats

from alignbench.statistics.bootstrap import object_weights
from alignbench.statistics.paired import Judged, paired_difference, score_together
from alignbench.statistics.scores import score_choices


def test_runs_find_their_own_pairs_and_each_counts_ties_by_its_own_rule() -> None:
    distances = np.array([[1.0, 2.0, 3.0, 3.0]])
    options = np.array([[0, 1], [2, 3]])
    runs = [
        Judged(distances, options, "choice", share_ties=False),
        Judged(distances, options, "choice", share_ties=True),
        Judged(distances[:, ::-1], 3 - options, "choice", share_ties=False),  # the same pairs in another order
    ]
    (strict, shared, turned), kind = score_together(runs, np.array([0.0, 1.0]), np.array([[0], [0]]), 0)
    assert kind == "none", "one cluster cannot be resampled"
    assert (strict.tolist(), shared.tolist(), turned.tolist()) == ([[0.5]], [[0.75]], [[0.5]])


def test_few_clusters_are_left_out_one_at_a_time() -> None:
    """Each replicate of a jackknife is the score of the judgments without one cluster."""
    rng = np.random.default_rng(1)
    distances, ratings, clusters = rng.uniform(size=(2, 30)), rng.normal(size=30), np.repeat(np.arange(6), 5)
    judged = Judged(distances, np.arange(30)[:, None], "rating", share_ties=False)
    [found], kind = score_together([judged], ratings, clusters[:, None], 0)
    assert kind == "cluster jackknife t"
    assert found.shape == (2, 7)
    for curve, row in zip(distances, found, strict=True):
        kept = [np.ones(30, dtype=bool), *(clusters != cluster for cluster in range(6))]
        expected = [stats.spearmanr(-curve[rows], ratings[rows]).statistic for rows in kept]
        np.testing.assert_allclose(row, expected, rtol=1e-12)


@pytest.mark.parametrize("share_ties", [False, True])
def test_a_judgment_weighs_the_product_of_how_often_its_objects_are_drawn(share_ties: bool) -> None:
    rng = np.random.default_rng(2)
    objects = np.array([rng.choice(7, 3, replace=False) for _ in range(40)])
    distances = rng.integers(0, 4, (2, 120)).astype(float)
    options, chosen = np.arange(120).reshape(-1, 3), rng.integers(0, 3, 40)
    judged = Judged(distances, options, "choice", share_ties)
    [found], kind = score_together([judged], chosen.astype(float), 10 + objects, 5)
    assert kind == "percentile object bootstrap"
    right = np.zeros((2, 40))
    for curve, row in zip(distances, right, strict=True):
        for judgment, (pairs, choice) in enumerate(zip(options, chosen, strict=True)):
            ties = int((curve[pairs] == curve[pairs].min()).sum())
            closest = curve[pairs[choice]] == curve[pairs].min()
            row[judgment] = closest * (1 / ties if share_ties else ties == 1)
    for resample, drawn in enumerate(object_weights(7, 5), start=1):
        weights = [math.prod(drawn[list(row)]) for row in objects]
        expected = [np.average(row, weights=weights) for row in right] if sum(weights) else [math.nan] * 2
        np.testing.assert_allclose(found[:, resample], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found[:, 0], right.mean(axis=1), rtol=1e-6)


def test_the_score_itself_is_that_of_choices_alone() -> None:
    rng = np.random.default_rng(3)
    distances, chosen = rng.uniform(size=(3, 80)), rng.integers(0, 2, 40)
    options = np.arange(80).reshape(-1, 2)
    [found], _ = score_together(
        [Judged(distances, options, "choice", share_ties=False)], chosen.astype(float), np.arange(40)[:, None], 0
    )
    right = (distances[:, options].argmin(axis=2) == chosen).astype(float)
    np.testing.assert_allclose(found[:, 0], score_choices(right, np.arange(40)[:, None]).value)


def test_a_difference_has_the_interval_of_the_differences_and_not_of_the_scores() -> None:
    rng = np.random.default_rng(4)
    hard = rng.normal(size=1000)  # what makes judgments hard for both drops out
    first = np.concatenate([[0.7], 0.7 + 0.1 * hard + 0.001 * rng.normal(size=1000)])
    second = np.concatenate([[0.6], 0.6 + 0.1 * hard])
    kind = "percentile cluster bootstrap"
    found = paired_difference("best layer", math.nan, (first, "layer_3"), (second, "layer_5"), kind)
    assert (found.first, found.second, found.first_layer, found.second_layer) == (0.7, 0.6, "layer_3", "layer_5")
    assert found.difference == pytest.approx(0.1)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(np.percentile((first - second)[1:], [2.5, 97.5])))
    assert found.ci_high - found.ci_low < 0.01
    assert found.p < 0.01
    row = found.to_row()
    assert list(row)[:2] == ["place", "depth"]
    assert math.isnan(row["depth"])


def test_without_resamples_there_is_a_difference_and_no_interval() -> None:
    found = paired_difference("projection", 100.0, (np.array([0.7]), "a"), (np.array([0.9]), "b"), "none")
    assert found.difference == pytest.approx(-0.2)
    assert np.isnan([found.ci_low, found.ci_high, found.p]).all()
