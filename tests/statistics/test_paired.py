"""The difference of two places of curves, against plain loops over what is scored."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.paired import PairedDifference, Place, paired_difference, score_at
from alignbench.statistics.scored_together import ObjectScores, ResampledScores
from alignbench.statistics.shared_objects import SharedObjects
from object_pairs import by_pairs, drawn_objects

Floats = NDArray[np.float64]


def place(*weights: float, layer: str = "") -> Place:
    return Place(np.array(weights), layer)


def over_objects(right: Floats, rows: NDArray[np.int64]) -> ObjectScores:
    means = right.mean(axis=1)
    shared = SharedObjects(rows)
    return ObjectScores(shared.sums((right - means[:, None]) / right.shape[1]), means, shared.count, 0)


def test_a_difference_has_the_interval_of_the_differences_and_not_of_the_scores() -> None:
    rng = np.random.default_rng(4)
    hard = rng.normal(size=1000)  # what makes judgments hard for both drops out
    first = np.concatenate([[0.7], 0.7 + 0.1 * hard + 0.001 * rng.normal(size=1000)])
    second = np.concatenate([[0.6], 0.6 + 0.1 * hard])
    scored = ResampledScores(np.stack([second, first]), "percentile cluster bootstrap", 300)
    places = place(0.0, 1.0, layer="layer_3"), place(1.0, 0.0, layer="layer_5")
    found = paired_difference("projection", 100.0, *places, scored)
    assert (found.place, found.depth) == ("projection", 100.0)
    assert (found.first, found.second, found.first_layer, found.second_layer) == (0.7, 0.6, "layer_3", "layer_5")
    assert found.difference == pytest.approx(0.1)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(np.percentile((first - second)[1:], [2.5, 97.5])))
    assert found.ci_high - found.ci_low < 0.01
    assert found.p < 0.01
    error = (first - second)[1:].std()
    assert found.smallest == pytest.approx((stats.t.ppf(0.975, 299) + stats.norm.ppf(0.8)) * error)
    assert (found.degrees, found.floored) == (299.0, False)


def test_a_place_between_two_layers_is_their_weighted_sum() -> None:
    rng = np.random.default_rng(5)
    replicates = rng.normal(0.5, 0.1, (3, 1 + 20))
    scored = ResampledScores(replicates, "cluster jackknife t", 20)
    between, other = place(0.25, 0.75, 0.0, layer="layer_0 .. layer_1"), place(0.0, 0.0, 1.0)
    assert score_at(scored, between) == pytest.approx(replicates[0, 0] / 4 + 3 * replicates[1, 0] / 4, rel=1e-12)
    found = paired_difference("depth", 30.0, between, other, scored)
    gap = replicates[0] / 4 + 3 * replicates[1] / 4 - replicates[2]
    error = math.sqrt(19 / 20 * sum((each - gap[1:].mean()) ** 2 for each in gap[1:]))
    assert found.difference == pytest.approx(gap[0], rel=1e-12)
    assert (found.ci_low, found.ci_high) == pytest.approx(stats.t.interval(0.95, 19, gap[0], error), rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(gap[0]) / error, 19), rel=1e-9)


def test_a_curve_without_a_score_does_not_touch_other_places() -> None:
    replicates = np.array([[np.nan] * 6, [0.7, 0.6, 0.7, 0.8, 0.7, 0.7], [0.5, 0.4, 0.5, 0.6, 0.4, 0.6]])
    scored = ResampledScores(replicates, "cluster jackknife t", 5)
    found = paired_difference("layer", 2.5, place(0.0, 1.0, 0.0), place(0.0, 0.0, 1.0), scored)
    assert np.isfinite([found.first, found.difference, found.ci_low, found.p]).all()
    missing = paired_difference("layer", 2.5, place(1.0, 0.0, 0.0), place(0.0, 0.0, 1.0), scored)
    assert np.isnan([missing.first, missing.difference, missing.ci_low, missing.ci_high, missing.p]).all()


def test_without_resamples_there_is_a_difference_and_no_interval() -> None:
    scored = ResampledScores(np.array([[0.7], [0.9]]), "none", 1)
    found = paired_difference("projection", 100.0, place(1.0, 0.0), place(0.0, 1.0), scored)
    assert found.difference == pytest.approx(-0.2)
    assert np.isnan([found.ci_low, found.ci_high, found.p, found.smallest]).all()


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_a_difference_over_objects_equals_the_reference(apart: float) -> None:
    """With objects that matter for one run alone, and with none: what triplets share comes out below them then."""
    rng = np.random.default_rng(8)
    rows = drawn_objects(rng, 20, 120, 3)
    effect = apart * rng.normal(size=20)[rows].sum(axis=1)
    right = np.stack([rng.normal(size=120) + effect > -0.3, rng.normal(size=120) > 0.0]).astype(float)
    one, other = right.mean(axis=1)
    places = place(1.0, 0.0, layer="layer_1"), place(0.0, 1.0, layer="layer_2")
    found = paired_difference("layer", 50.0, *places, over_objects(right, rows))
    expected = by_pairs(rows.tolist(), (right[0] - right[1] - one + other) / 120)
    assert found.floored == expected.floored == (apart == 0.0)
    assert (found.place, found.depth, found.first_layer, found.second_layer) == ("layer", 50.0, "layer_1", "layer_2")
    assert (found.first, found.second, found.difference) == pytest.approx((one, other, one - other))
    assert (found.ci_low, found.ci_high) == pytest.approx(expected.interval(one - other))
    assert found.p == pytest.approx(expected.p_value(one - other))
    reach = stats.t.ppf(0.975, expected.degrees_used) + stats.norm.ppf(0.8)
    assert found.smallest == pytest.approx(reach * math.sqrt(expected.variance))
    assert found.degrees == pytest.approx(expected.degrees_used)


def test_a_row_has_all_of_it() -> None:
    found = PairedDifference("best layer", math.nan, 0.7, 0.6, "a", "b", 0.1, 0.05, 0.15, 0.01, 0.08, 24.0, True)
    row = found.to_row()
    assert list(row) == [
        *("place", "depth", "first", "second", "first_layer", "second_layer"),
        *("difference", "ci_low", "ci_high", "p", "smallest", "degrees", "floored"),
    ]
    assert math.isnan(row.pop("depth"))
    assert list(row.values()) == ["best layer", 0.7, 0.6, "a", "b", 0.1, 0.05, 0.15, 0.01, 0.08, 24.0, True]
