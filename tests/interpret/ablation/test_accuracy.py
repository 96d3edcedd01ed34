"""Accuracies and their intervals, against loops over the pictures of each resample and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignbench.interpret.ablation.accuracy import arm_scores
from alignbench.results.head_ablations import ACCURACY, GROUP, WORST

RNG = np.random.default_rng(3)
NAMES = ("a/x", "a/y", "b/x", "b/y")
NUMBERS = np.repeat(np.arange(4), (60, 20, 30, 40))
RIGHT = (RNG.random((3, 150)) < np.array([[0.8], [0.7], [0.5]]) - 0.1 * NUMBERS).astype(float)


def test_scores_are_those_of_the_resampled_pictures() -> None:
    found, kind = arm_scores(RIGHT, (NAMES, NUMBERS), seed=5)
    assert kind == "percentile cluster bootstrap"
    rng, drawn = np.random.default_rng(5), []
    for _ in range(1000):
        pictures = rng.integers(0, 150, 150)
        chosen = RIGHT[:, pictures]
        by_group = np.array([chosen[:, NUMBERS[pictures] == number].mean(axis=1) for number in range(4)])
        drawn.append(np.concatenate([[chosen.mean(axis=1)], [by_group.min(axis=0)], by_group]))
    replicates = np.array(drawn)  # (resamples, scores, arms)
    for arm, scores in enumerate(found):
        means = np.array([RIGHT[arm, number == NUMBERS].mean() for number in range(4)])
        assert [score.measure for score in scores] == [ACCURACY, WORST, *[GROUP] * 4]
        assert [score.group for score in scores] == ["", NAMES[means.argmin()], *NAMES]
        assert [score.n for score in scores] == [150, (60, 20, 30, 40)[means.argmin()], 60, 20, 30, 40]
        values = [RIGHT[arm].mean(), means.min(), *means]
        np.testing.assert_allclose([score.value for score in scores], values)
        for place, score in enumerate(scores):
            if score.measure == WORST:
                continue
            ends = np.quantile(replicates[:, place, arm], [0.025, 0.975])
            np.testing.assert_allclose((score.low, score.high), ends)
            apart = replicates[:, place, arm] - replicates[:, place, 0]
            np.testing.assert_allclose(score.difference, score.value - found[0][place].value)
            ends = np.quantile(apart, [0.025, 0.975])
            np.testing.assert_allclose((score.difference_low, score.difference_high), ends, atol=1e-12)


@pytest.mark.slow
def test_the_interval_of_the_worst_group_holds_where_groups_are_alike() -> None:
    """Percentiles of the lowest accuracy would hold in 6 of 10 samples of such groups."""
    rng, numbers, names = np.random.default_rng(11), np.repeat(np.arange(4), 40), ("a", "b", "c", "d")
    held = np.zeros(2)
    for _ in range(60):
        first = rng.random(160) < 0.5
        second = first | (rng.random(160) < 0.2)  # right in 0.6 of each group
        scores, _ = arm_scores(np.stack([first, second]).astype(float), (names, numbers))
        whole, arm = scores[0][1], scores[1][1]
        assert (whole.difference, whole.difference_low, whole.difference_high) == (0.0, 0.0, 0.0)
        held += whole.low <= 0.5 <= whole.high, arm.difference_low <= 0.1 <= arm.difference_high
    assert (held >= 54).all()


def test_a_worst_group_that_is_clear_has_nearly_its_own_interval() -> None:
    rng, numbers = np.random.default_rng(12), np.repeat(np.arange(2), (100, 300))
    right = (rng.random((2, 400)) < np.where(numbers == 0, [[0.3], [0.5]], 0.95)).astype(float)
    scores, _ = arm_scores(right, (("low", "high"), numbers))
    worst, group = scores[1][1], scores[1][2]
    assert (worst.group, worst.n, worst.value, worst.difference) == ("low", 100, group.value, group.difference)
    for wide, narrow in (
        (worst.high - worst.low, group.high - group.low),
        (worst.difference_high - worst.difference_low, group.difference_high - group.difference_low),
    ):
        assert narrow < wide < 1.5 * narrow
    assert worst.difference_low > 0.0


def test_few_pictures_have_a_t_interval() -> None:
    right = RIGHT[:, :40]
    found, kind = arm_scores(right)
    assert kind == "cluster jackknife t"
    for arm, (score,) in enumerate(found):
        low, high = stats.t.interval(0.95, 39, right[arm].mean(), stats.sem(right[arm]))
        np.testing.assert_allclose((score.low, score.high), (low, high))
        apart = right[arm] - right[0]
        reach = stats.t.ppf(0.975, 39) * stats.sem(apart)
        np.testing.assert_allclose(
            (score.difference_low, score.difference_high), apart.mean() + np.array([-1, 1]) * reach
        )


def test_no_interval_goes_beyond_what_an_accuracy_can_be() -> None:
    """Student's t of two pictures reaches 6.4 on either side."""
    right = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    found, _ = arm_scores(right, (("a", "b"), np.array([0, 0, 1, 1])))
    for each in (score for arm in found for score in arm if np.isfinite(score.low)):
        assert 0.0 <= each.low <= each.high <= 1.0
        assert -1.0 <= each.difference_low <= each.difference_high <= 1.0
    assert [(each.low, each.high) for each in found[1] if each.group == "a"][-1] == (0.0, 1.0)


def test_a_group_of_one_picture_has_no_interval_among_few() -> None:
    numbers = np.array([0] * 9 + [1])
    found, _ = arm_scores(RIGHT[:2, :10], (("a", "b"), numbers))
    alone = found[1][3]
    assert (alone.group, alone.n, alone.value) == ("b", 1, RIGHT[1, 9])
    assert np.isnan([alone.low, alone.high]).all()


def test_one_picture_has_no_interval() -> None:
    ((score,),), kind = arm_scores(np.ones((1, 1)))
    assert (score.value, score.difference, kind) == (1.0, 0.0, "none")
    assert np.isnan([score.low, score.difference_high]).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_settles_the_resamples(seed: int) -> None:
    first, again = arm_scores(RIGHT, seed=seed), arm_scores(RIGHT, seed=seed)
    assert first == again
    assert first != arm_scores(RIGHT, seed=seed + 2)
