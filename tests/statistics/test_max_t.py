"""Bounds of the highest of several differences, against other formulas and in worlds where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import interval, p_value
from alignbench.statistics.max_t import highest

Floats = NDArray[np.float64]
BOOTSTRAP, JACKKNIFE = "percentile cluster bootstrap", "cluster jackknife t"


def bootstrapped(truth: Floats, rng: np.random.Generator, replicates: int = 400, noise: float = 0.01) -> Floats:
    """Differences as observed, and as often again around what was observed, with the same correlated noise."""
    spread = noise * np.linalg.cholesky(0.5 * np.eye(len(truth)) + 0.5)
    observed = truth + spread @ rng.normal(size=len(truth))
    return np.column_stack([observed, observed[:, None] + spread @ rng.normal(size=(len(truth), replicates))])


def test_of_one_difference_it_is_the_basic_bootstrap_interval() -> None:
    one = bootstrapped(np.array([0.02]), np.random.default_rng(0))
    found, deviations = highest(one, BOOTSTRAP), one[0, 1:] - one[0, 0]
    assert found.value == one[0, 0]
    expected = one[0, 0] - np.quantile(deviations, 0.975), one[0, 0] + np.quantile(-deviations, 0.975)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.p == pytest.approx(2 * (1 + (deviations >= one[0, 0]).sum()) / 401)


def test_of_one_difference_it_is_the_jackknife_interval() -> None:
    one = np.random.default_rng(1).normal(0.3, 0.01, (1, 26))
    low, high = interval(one[:, 0], one[:, 1:], JACKKNIFE)
    found = highest(one, JACKKNIFE)
    assert (found.low, found.high) == pytest.approx((low[0], high[0]), abs=1e-12)
    assert found.p == pytest.approx(p_value(one[0, 0], one[0, 1:], JACKKNIFE), rel=1e-9)


def test_of_several_the_jackknife_is_bonferronis() -> None:
    some = np.random.default_rng(2).normal(0.3, 0.01, (4, 26)) + np.array([[0.0], [0.01], [0.02], [-0.1]])
    error = np.sqrt(24 / 25 * ((some[:, 1:] - some[:, 1:].mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    quantile = stats.t.ppf(1 - 0.025 / 4, 24)
    found = highest(some, JACKKNIFE)
    assert found.value == some[:, 0].max()
    assert found.low == pytest.approx((some[:, 0] - quantile * error).max())
    assert found.high == pytest.approx((some[:, 0] + quantile * error).max())


def test_the_highest_of_many_that_are_nothing_is_seldom_something() -> None:
    """Choosing anew in each resample, and testing that, would find something in a third of these worlds and more."""
    rng, truth = np.random.default_rng(3), np.zeros(13)
    mistaken, naive, missed = 0, 0, 0
    for _ in range(300):
        some = bootstrapped(truth, rng)
        found, chosen = highest(some, BOOTSTRAP), some.max(axis=0)
        mistaken += found.p < 0.05 and found.low > 0
        missed += not found.low <= 0.0 <= found.high
        naive += np.quantile(chosen[1:], 0.025) > 0
    assert mistaken / 300 <= 0.05
    assert missed / 300 <= 0.07
    assert naive / 300 > 0.3


def test_one_that_is_something_among_many_is_found() -> None:
    rng, truth = np.random.default_rng(4), np.zeros(13)
    truth[7] = 0.06
    found = [highest(bootstrapped(truth, rng), BOOTSTRAP) for _ in range(50)]
    assert np.mean([one.low > 0 and one.p < 0.01 for one in found]) > 0.9
    assert np.mean([one.low <= 0.06 <= one.high for one in found]) >= 0.9


def test_without_resamples_there_is_a_value_only() -> None:
    found = highest(np.array([[0.1], [0.3]]), "none")
    assert found.value == 0.3
    assert np.isnan([found.low, found.high, found.p]).all()


def test_differences_that_do_not_vary_or_are_not_there() -> None:
    same = highest(np.full((2, 401), 0.2), BOOTSTRAP)
    assert (same.value, same.low, same.high, same.p) == (0.2, 0.2, 0.2, 0.0)
    assert np.isnan(highest(np.full((2, 401), np.nan), BOOTSTRAP).value)
    assert highest(np.stack([np.full(401, np.nan), np.full(401, 0.1)]), BOOTSTRAP).value == 0.1
