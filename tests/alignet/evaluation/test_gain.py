"""Rows of gains: intervals by scipy's own tests, gains by hand, and the correction for the number of rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignbench.alignet.evaluation.gain import (
    AboutGain,
    corrected_gains,
    gain_of,
    mean_over_draws,
    mean_over_pictures,
)
from alignbench.statistics.scored_together import ResampledScores

ABOUT = AboutGain("few-shot", "pets", "accuracy", 5, "draws", "unknown", ceiling=0.9)


def test_means_of_draws_are_compared_by_the_paired_t_test() -> None:
    before, after = np.array([0.5, 0.62, 0.55, 0.58, 0.6]), np.array([0.61, 0.66, 0.64, 0.6, 0.7])
    (row,) = corrected_gains([gain_of(ABOUT, mean_over_draws(np.stack([before, after])))])
    test = stats.ttest_rel(after, before)
    low, high = test.confidence_interval()
    assert row.difference == pytest.approx((np.mean(after - before), low, high))
    assert (row.corrected_low, row.corrected_high) == pytest.approx((low, high)), "one row is corrected for nothing"
    assert row.p == row.p_corrected == pytest.approx(test.pvalue)
    interval = stats.t.interval(0.95, 4, before.mean(), stats.sem(before))
    assert row.before == pytest.approx((before.mean(), *interval))


def test_means_of_pictures_are_compared_by_their_paired_errors() -> None:
    rng = np.random.default_rng(0)
    right = (rng.random((2, 400)) < np.array([[0.6], [0.7]])).astype(np.float64)
    (row,) = corrected_gains([gain_of(ABOUT, mean_over_pictures(right))])
    gained = right[1] - right[0]
    error = gained.std(ddof=1) / np.sqrt(400)
    assert row.difference[0] == pytest.approx(gained.mean())
    assert row.difference[2] - row.difference[0] == pytest.approx(1.96 * error, rel=0.02)
    assert np.log(row.p) == pytest.approx(np.log(stats.ttest_1samp(gained, 0.0).pvalue), abs=0.5)


def test_gains_are_told_in_points_relative_and_of_the_gap() -> None:
    found = [
        gain_of(about, mean_over_draws(np.array([[0.4, 0.5, 0.45], [0.6, 0.7, 0.65]])))
        for about in (ABOUT, AboutGain("few-shot", "pets", "a", 3, "draws", "unknown", ceiling=0.58))
    ]
    first, second = corrected_gains(found)
    assert first.difference[0] == pytest.approx(0.2)
    assert first.relative == pytest.approx(0.2 / 0.45)
    assert first.share_of_gap == pytest.approx(0.2 / 0.45)
    assert second.share_of_gap == pytest.approx(0.2 / 0.13), "a model above the ceiling is not cut off"
    nothing = corrected_gains([gain_of(ABOUT, mean_over_draws(np.array([[0.0, 0.0], [0.5, 0.6]])))])[0]
    assert np.isnan(nothing.relative), "nothing is a share of nothing"
    unclear = corrected_gains([gain_of(ABOUT, mean_over_draws(np.array([[0.0, 0.05], [0.5, 0.6]])))])[0]
    assert unclear.before[1] <= 0.0 < unclear.before[0]
    assert np.isnan(unclear.relative), "a share of what may be nothing may be any number"
    once = corrected_gains([gain_of(ABOUT, mean_over_draws(np.array([[0.5], [0.6]])))])[0]
    assert np.isnan([once.relative, once.share_of_gap]).all(), "of one draw it is not known how sure it is"
    near = corrected_gains([gain_of(ABOUT, mean_over_draws(np.array([[0.84, 0.9, 0.88], [0.9, 0.95, 0.96]])))])[0]
    assert near.before[0] < ABOUT.ceiling < near.before[2]
    assert np.isnan(near.share_of_gap), "a share of a gap that may be none"
    assert near.relative == pytest.approx(near.difference[0] / near.before[0])
    above = corrected_gains([gain_of(ABOUT, mean_over_draws(np.array([[0.95, 0.93], [0.96, 0.97]])))])[0]
    assert np.isnan(above.share_of_gap), "there was no gap"


@pytest.mark.parametrize(("limits", "told"), [((-1.0, 1.0), False), ((0.0, 1.0), True)])
def test_of_a_correlation_near_0_no_gain_is_a_share(limits: tuple[float, float], told: bool) -> None:
    values = np.array([[0.02, 0.021, 0.019], [0.5, 0.52, 0.51]])
    replicates = np.concatenate([values.mean(axis=1)[:, None], _without_each(values)], axis=1)
    (row,) = corrected_gains([gain_of(ABOUT, ResampledScores(replicates, "cluster jackknife t", 3, limits=limits))])
    assert row.before[1] > 0.0
    assert np.isfinite(row.relative) == told, "0.02 may be a share, but as a correlation it says next to nothing"


def _without_each(values: np.ndarray) -> np.ndarray:
    return np.stack([np.delete(values, each, axis=1).mean(axis=1) for each in range(values.shape[1])], axis=1)


def test_one_side_may_have_no_score() -> None:
    values = np.array([[np.nan] * 3, [0.5, 0.52, 0.51]])
    replicates = np.concatenate([values.mean(axis=1)[:, None], _without_each(values)], axis=1)
    (row,) = corrected_gains([gain_of(ABOUT, ResampledScores(replicates, "cluster jackknife t", 3))])
    assert np.isnan([*row.before, *row.difference, row.p, row.relative, row.share_of_gap, row.corrected_low]).all()
    assert row.after == pytest.approx((0.51, *stats.t.interval(0.95, 2, 0.51, stats.sem(values[1]))))


def test_all_rows_hold_together() -> None:
    values = np.array([[0.5, 0.62, 0.55, 0.58, 0.6], [0.61, 0.66, 0.64, 0.6, 0.7]])
    row = gain_of(ABOUT, mean_over_draws(values))
    untested = gain_of(ABOUT, mean_over_draws(values[:, :1]))
    *three, last = corrected_gains([row, row, row, untested])
    gained = values[1] - values[0]
    low, high = stats.t.interval(1.0 - 0.05 / 3, 4, gained.mean(), stats.sem(gained))
    for each in three:
        assert (each.corrected_low, each.corrected_high) == pytest.approx((low, high))
        assert each.p_corrected == pytest.approx(min(1.0, 3 * each.p))
        assert each.difference == pytest.approx(
            (gained.mean(), *stats.t.interval(0.95, 4, gained.mean(), stats.sem(gained)))
        )
    assert np.isnan([last.p, last.p_corrected, last.corrected_low]).all(), "of one draw nothing is known"
