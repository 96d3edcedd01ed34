"""Places of a curve at which runs are compared, for towers, baselines and scores that are not there."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.joint import estimates
from alignbench.statistics.paired import score_at
from alignbench.statistics.scored_together import Judged, ResampledScores, score_together
from alignbench.study.places import BEST, ScoredCurve, best_difference, two_curves
from object_pairs import by_pairs, drawn_objects

Floats = NDArray[np.float64]
LAYERS = ("layer_0", "layer_1", "layer_1_aligned", "projection", "projection_aligned")
DEPTHS = np.array([10.0, 90.0, 90.0, 100.0, 100.0])
SCORES = np.array([0.5, 0.6, 0.95, 0.8, 0.99])


def left_out(values: Floats) -> Floats:
    """Means of values of clusters, (curves, clusters), and those without each cluster."""
    count = values.shape[1]
    without = (values.sum(axis=1, keepdims=True) - values) / (count - 1)
    return np.column_stack([values.mean(axis=1), without])


def alone(layers: Sequence[str] = LAYERS, scores: Floats = SCORES, before: int = 2) -> ScoredCurve:
    """A curve behind as many others, of scores without an interval."""
    value = np.concatenate([np.full(before, 0.1), scores])
    scored = ResampledScores(value[:, None], "none", 1)
    return ScoredCurve(scored, np.arange(before, len(value)), layers, DEPTHS[: len(layers)])


def pair(values: Floats, layers: int, names: Sequence[str]) -> tuple[ScoredCurve, ScoredCurve]:
    """Two curves that were scored together by the jackknife over clusters; `values` are (curves, clusters)."""
    scored = ResampledScores(left_out(values), "cluster jackknife t", values.shape[1])
    rows = np.arange(layers), np.arange(layers, len(values))
    first, second = (ScoredCurve(scored, own, names[: len(own)], DEPTHS[: len(own)]) for own in rows)
    return first, second


# --- Layers and depths ------------------------------------------------------------------------------------------------


def test_a_curve_has_its_own_scores_and_layers_before_the_projection() -> None:
    curve = alone()
    np.testing.assert_array_equal(curve.value, SCORES)
    assert curve.blocks.tolist() == [0, 1]
    for index, layer in enumerate(LAYERS):
        place = curve.layer(index)
        assert (score_at(curve.scored, place), place.layer) == (SCORES[index], layer)


def test_the_projection_is_the_last_layer_as_the_model_has_it() -> None:
    curve = alone()
    assert (score_at(curve.scored, curve.projection()), curve.projection().layer) == (0.8, "projection")
    without = alone(LAYERS[:2], SCORES[:2])
    assert without.projection().layer == "layer_1", "a tower without one stands with its last layer"


@pytest.mark.parametrize(("depth", "expected"), [(10.0, 0.5), (30.0, 0.525), (50.0, 0.55), (90.0, 0.6)])
def test_between_two_layers_a_curve_is_straight(depth: float, expected: float) -> None:
    curve = alone()
    place = curve.at(depth)
    assert score_at(curve.scored, place) == pytest.approx(expected, rel=1e-12)
    assert place.layer == {10.0: "layer_0", 90.0: "layer_1"}.get(depth, "layer_0 .. layer_1")


@pytest.mark.parametrize(("depth", "layer"), [(2.5, "layer_0"), (97.5, "layer_1")])
def test_beyond_its_ends_a_curve_stays_as_it_is(depth: float, layer: str) -> None:
    curve = alone()
    assert curve.at(depth).layer == layer
    assert score_at(curve.scored, curve.at(depth)) == np.interp(depth, [10.0, 90.0], SCORES[:2])


def test_a_baseline_stands_everywhere_with_its_one_score() -> None:
    curve = alone(("image",), SCORES[:1])
    assert curve.blocks.tolist() == [0]
    for place in (curve.projection(), curve.at(2.5), curve.at(100.0), curve.layer(0)):
        assert (score_at(curve.scored, place), place.layer) == (0.5, "image")


# --- Best layers ------------------------------------------------------------------------------------------------------


def test_the_layers_before_the_projection_come_with_their_joint_error() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, (8, 20))
    first, second = pair(values, 5, LAYERS)
    curves = two_curves(first, second)
    assert curves.first_layers == 2
    kept = [0, 1, 5, 6]  # the second curve has an aligned layer too
    np.testing.assert_allclose(curves.both.value, values[kept].mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(curves.both.covariance, np.cov(values[kept]) / 20, rtol=1e-9)
    assert curves.both.degrees == 19


def test_of_one_layer_each_the_best_is_compared_like_any_other() -> None:
    """One baseline beside another: the interval is Student's, to the draws that it is taken from."""
    values = np.random.default_rng(1).normal([[0.7], [0.5]], 0.1, (2, 12))
    found = best_difference(*pair(values, 1, ("image",)))
    expected = stats.ttest_rel(values[0], values[1])
    ends = expected.confidence_interval(0.95)
    assert (found.place, found.first_layer, found.second_layer) == (BEST, "image", "image")
    assert math.isnan(found.depth)
    assert found.difference == pytest.approx(values[0].mean() - values[1].mean(), rel=1e-12)
    width = ends.high - ends.low
    assert (found.ci_low, found.ci_high) == pytest.approx((ends.low, ends.high), abs=0.04 * width)
    assert found.p == pytest.approx(expected.pvalue, abs=0.005)
    error = stats.sem(values[0] - values[1])
    assert found.smallest == pytest.approx((stats.t.ppf(0.975, 11) + stats.norm.ppf(0.8)) * error, rel=0.04)


def test_the_best_is_named_after_the_scores_and_bounded_with_all_that_may_be_it() -> None:
    rng = np.random.default_rng(2)
    values = 0.5 + 0.1 * rng.normal(size=(12, 30))
    names = [f"layer_{index}" for index in range(6)]
    scored = ResampledScores(left_out(values), "cluster jackknife t", 30)
    depths = np.linspace(2.5, 97.5, 6)
    first, second = (ScoredCurve(scored, rows, names, depths) for rows in (np.arange(6), np.arange(6, 12)))
    found = best_difference(first, second)
    means = values.mean(axis=1)
    one, other = int(means[:6].argmax()), 6 + int(means[6:].argmax())
    assert (found.first_layer, found.second_layer) == (names[one], names[other - 6])
    assert (found.first, found.second) == pytest.approx((means[one], means[other]), rel=1e-12)
    assert found.difference == pytest.approx(means[one] - means[other], rel=1e-9)
    gap = values[one] - values[other]
    chosen = stats.ttest_1samp(gap, 0.0).confidence_interval(0.95)
    assert found.ci_low < found.difference < found.ci_high
    assert found.ci_high - found.ci_low > 1.2 * (chosen.high - chosen.low), "as if the layers had been named before"
    reach = max(found.ci_high - found.difference, found.difference - found.ci_low)
    assert found.smallest == pytest.approx(reach + stats.norm.ppf(0.8) * stats.sem(gap), rel=1e-9)


def test_at_a_higher_level_the_best_are_compared_with_a_wider_interval() -> None:
    values = np.random.default_rng(1).normal([[0.7], [0.5]], 0.1, (2, 12))
    found = best_difference(*pair(values, 1, ("image",)), 0.995)
    ends = stats.ttest_rel(values[0], values[1]).confidence_interval(0.995)
    width = ends.high - ends.low
    assert (found.ci_low, found.ci_high) == pytest.approx((ends.low, ends.high), abs=0.06 * width)
    error = stats.sem(values[0] - values[1])
    assert found.smallest == pytest.approx((stats.t.ppf(0.9975, 11) + stats.norm.ppf(0.8)) * error, rel=0.06)
    assert found.p == best_difference(*pair(values, 1, ("image",))).p


def test_of_two_that_are_equally_high_the_first_is_named() -> None:
    scored = ResampledScores(np.full((4, 1), 0.5), "none", 1)
    found = best_difference(*(ScoredCurve(scored, rows, LAYERS[:2], DEPTHS[:2]) for rows in np.arange(4).reshape(2, 2)))
    assert (found.first_layer, found.second_layer, found.difference) == ("layer_0", "layer_0", 0.0)
    assert np.isnan([found.ci_low, found.ci_high, found.p, found.smallest]).all(), "nothing is known of its error"


def test_best_layers_over_objects_have_the_error_of_their_objects() -> None:
    rng = np.random.default_rng(5)
    objects = drawn_objects(rng, 20, 120, 3)
    options = np.arange(360).reshape(-1, 3)
    distances = rng.random((2, 360))
    distances[0, ::3] -= 0.3 + 0.3 * rng.normal(size=20)[objects].sum(axis=1)
    scored = score_together([Judged(distances, options, "choice", False)], np.zeros(120), objects, 0)
    first, second = (ScoredCurve(scored, np.array([row]), ("image",), DEPTHS[:1]) for row in (0, 1))
    found = best_difference(first, second)
    right = distances.reshape(2, 120, 3).argmin(axis=2) == 0
    gap = right[0].astype(float) - right[1]
    expected = by_pairs(objects.tolist(), (gap - gap.mean()) / 120)
    assert not expected.floored
    assert found.difference == pytest.approx(gap.mean())
    known = scored.estimates(np.arange(2))
    of_difference = known.covariance[0, 0] + known.covariance[1, 1] - 2 * known.covariance[0, 1]
    assert found.ci_low < gap.mean() < found.ci_high
    t = stats.t.ppf(0.975, math.floor(known.degrees))  # drawn covariances have whole degrees of freedom
    reach = t * math.sqrt(of_difference)
    ends = gap.mean() - reach, min(1.0, gap.mean() + reach)  # one share cannot lie above another by more than 1
    assert (found.ci_low, found.ci_high) == pytest.approx(ends, abs=0.12 * reach)
    assert math.sqrt(of_difference) == pytest.approx(math.sqrt(expected.variance), rel=0.1)


# --- Scores that are not there ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["one", "all"])
def test_a_layer_without_a_score_is_not_the_best(missing: str) -> None:
    values = np.random.default_rng(3).normal([[0.9], [0.6], [0.5], [0.4]], 0.05, (4, 15))
    values[0 if missing == "one" else slice(0, 2)] = np.nan
    found = best_difference(*pair(values, 2, LAYERS))
    if missing == "one":
        assert (found.first_layer, found.second_layer) == ("layer_1", "layer_0")
        assert found.first == pytest.approx(values[1].mean())
        assert found.ci_low < found.difference < found.ci_high
    else:
        assert (found.first_layer, found.second_layer) == ("", ""), "no layer is the best of none"
        assert np.isnan([found.first, found.second, found.difference, found.ci_low, found.ci_high, found.p]).all()


def test_estimates_of_a_pair_are_those_of_its_replicates() -> None:
    """By the bootstrap too, where no influences are known."""
    rng = np.random.default_rng(7)
    replicates = rng.normal(0.5, 0.1, (4, 1001))
    scored = ResampledScores(replicates, "percentile cluster bootstrap", 150)
    first, second = (ScoredCurve(scored, rows, LAYERS[:2], DEPTHS[:2]) for rows in (np.arange(2), np.arange(2, 4)))
    found = two_curves(second, first).both
    expected = estimates(replicates[[2, 3, 0, 1]], "percentile cluster bootstrap", 150)
    np.testing.assert_allclose(found.covariance, np.cov(replicates[[2, 3, 0, 1], 1:]), rtol=1e-9)
    assert found.degrees == expected.degrees == 149


# --- The other way round ----------------------------------------------------------------------------------------------


def test_the_difference_of_best_layers_turned_round_is_its_opposite_to_the_last_digit() -> None:
    values = 0.5 + 0.1 * np.random.default_rng(4).normal(size=(7, 30))
    scored = ResampledScores(left_out(values), "cluster jackknife t", 30)
    one = ScoredCurve(scored, np.arange(4), [f"layer_{index}" for index in range(4)], np.linspace(2.5, 97.5, 4))
    other = ScoredCurve(scored, np.arange(4, 7), [f"layer_{index}" for index in range(3)], np.linspace(2.5, 97.5, 3))
    for level in (0.95, 0.999):
        found, turned = best_difference(one, other, level), best_difference(other, one, level)
        assert (turned.difference, turned.ci_low, turned.ci_high) == (-found.difference, -found.ci_high, -found.ci_low)
        assert (turned.p, turned.smallest) == (found.p, found.smallest)
        assert (turned.first_layer, turned.second_layer) == (found.second_layer, found.first_layer)
        assert (turned.first, turned.second) == (found.second, found.first)
