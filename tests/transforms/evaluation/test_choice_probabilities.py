"""How well probabilities foretell choices: held against SciPy, scikit-learn, cases by hand, and known truths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from alignbench.errors import AlignbenchError
from alignbench.transforms.evaluation.choice_probabilities import (
    BINS,
    best_scale,
    calibration_errors,
    dot_products,
    judge_probabilities,
    log_choices,
    log_losses,
    right_choices,
)


def drawn(seed: int, count: int, objects: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triplets with the odd one last, the logarithms of the probabilities by which it was drawn, and features."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(objects, 5))
    triplets = np.array([rng.choice(objects, 3, replace=False) for _ in range(count)])
    products = np.stack([(features[triplets[:, a]] * features[triplets[:, b]]).sum(1) for a, b in PAIRS], axis=1)
    kept = (products + rng.gumbel(size=products.shape)).argmax(axis=1)
    order = np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])[kept]
    return np.take_along_axis(triplets, order, axis=1), features, rng.normal(size=(count, 3))


PAIRS = ((0, 1), (0, 2), (1, 2))


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1e-3, 1.0, 300.0]))
def test_products_and_logarithms_equal_a_reference(seed: int, size: float) -> None:
    triplets, features, _ = drawn(seed, 9)
    found = dot_products(size * features, triplets)
    expected = [[size**2 * (features[row[a]] @ features[row[b]]) for a, b in PAIRS] for row in triplets]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * size**2)
    np.testing.assert_allclose(log_choices(found), log_softmax(found, axis=1), rtol=1e-12, atol=1e-13)


def test_products_that_are_not_finite_are_refused() -> None:
    with pytest.raises(AlignbenchError, match="dot products of features are not finite"):
        dot_products(np.full((3, 2), 1e200), np.array([[0, 1, 2]]))


def test_measures_of_single_judgments_equal_other_libraries_and_a_case_by_hand() -> None:
    _, _, logits = drawn(3, 500)
    logs = log_softmax(logits, axis=1)
    assert log_losses(logs).mean() == pytest.approx(log_loss(np.zeros(500), np.exp(logs), labels=[0, 1, 2]))
    assert right_choices(logs).mean() == np.mean(np.exp(logs).argmax(axis=1) == 0)
    assert right_choices(np.log([[0.4, 0.4, 0.2], [0.5, 0.3, 0.2]])).tolist() == [0.0, 1.0], "a tie is wrong"
    same = np.log(np.tile([0.5, 0.25, 0.25], (2, 1)))  # said to be even odds, and chosen both times
    assert calibration_errors(same).mean() == pytest.approx((2 * 0.5 + 4 * 0.25) / 6)
    calibrated = np.log([[0.5, 0.5, 1e-300], [0.5, 1e-300, 0.5]])  # halves, and one of each two chosen
    assert calibration_errors(calibrated).mean() == pytest.approx(0.0, abs=1e-12)
    assert calibration_errors(np.log([[1.0, 1e-300, 1e-300]])).mean() == pytest.approx(0.0, abs=1e-12)


def test_the_calibration_error_is_that_of_a_loop_over_bins() -> None:
    _, _, logits = drawn(5, 400)
    p = np.exp(log_softmax(2.0 * logits, axis=1))
    expected = 0.0
    for number in range(BINS):
        held = [(row, pair) for row in range(400) for pair in range(3) if number <= p[row, pair] * BINS < number + 1]
        expected += abs(sum((pair == 0) - p[row, pair] for row, pair in held)) / 1200
    assert calibration_errors(np.log(p)).mean() == pytest.approx(expected, rel=1e-12)


def test_choices_by_the_truth_are_calibrated_and_sharper_ones_are_not() -> None:
    triplets, features, _ = drawn(1, 30_000)
    truth = dot_products(features, triplets)
    errors = [calibration_errors(log_choices(scale * truth)).mean() for scale in (1.0, 2.0)]
    assert errors[0] < 0.01 < 0.04 < errors[1]
    losses = [log_losses(log_choices(scale * truth)).mean() for scale in (1.0, 0.5, 2.0)]
    assert losses[0] == min(losses)


def test_the_best_scale_is_that_of_an_optimiser() -> None:
    triplets, features, _ = drawn(2, 2000)
    similarities = 0.01 * dot_products(features, triplets)

    def loss(scale: float) -> float:
        return float(-log_softmax(scale * similarities, axis=1)[:, 0].mean())

    expected = minimize_scalar(loss, bounds=(0.0, 1000.0), method="bounded", options={"xatol": 1e-9}).x
    assert best_scale(similarities) == pytest.approx(expected, rel=1e-5)
    assert best_scale(similarities) == pytest.approx(100.0, rel=0.15), "choices were drawn at that scale"


def test_choices_against_the_similarities_have_no_scale_and_separated_ones_a_large_one() -> None:
    assert best_scale(np.array([[0.0, 1.0, 2.0]])) == 0.0
    assert best_scale(np.ones((4, 3))) == 0.0
    separated = np.array([[3.0, 1.0, 0.0], [2.0, 1.0, 1.5]])
    assert -log_choices(best_scale(separated) * separated)[:, 0].max() < 1e-6


def test_intervals_are_over_objects_and_differences_paired() -> None:
    triplets, features, _ = drawn(4, 4000)
    better = log_choices(dot_products(features, triplets))
    worse = log_choices(np.zeros((4000, 3)))
    for score in judge_probabilities(worse, better, triplets):
        for value, low, high in (score.before, score.after, score.difference):
            assert low <= value <= high
        assert score.difference[0] == pytest.approx(score.after[0] - score.before[0], abs=1e-12)
        same = next(each for each in judge_probabilities(better, better, triplets) if each.measure == score.measure)
        assert same.difference == (0.0, 0.0, 0.0)
        assert same.p == 1.0
    scores = {score.measure: score for score in judge_probabilities(worse, better, triplets)}
    assert scores["log_loss"].before[0] == pytest.approx(np.log(3.0))
    assert scores["accuracy"].before[0] == 0.0, "ties are wrong"
    assert scores["log_loss"].difference[2] < 0.0
    assert scores["log_loss"].p < 1e-3


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Over worlds whose objects are drawn anew: what the truth loses on choices is its entropy on the whole."""
    means, held = [], 0
    for seed in range(40):
        triplets, features, _ = drawn(100 + seed, 600, 25)
        logs = log_choices(dot_products(features, triplets))
        means.append(judge_probabilities(logs, logs, triplets)[0].after)
    truth = np.mean([mean for mean, _, _ in means])
    held = sum(low <= truth <= high for _, low, high in means)
    assert held >= 32, "40 intervals at 95 %"
