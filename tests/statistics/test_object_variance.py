"""What follows from variances over objects: intervals, p-values and draws, against scipy and worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from alignbench.statistics.object_variance import ObjectVariance

NONE = np.zeros(3, dtype=np.bool_)
COVARIANCE = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, -0.05], [0.0, -0.05, 0.16]])
DEGREES = np.array([12.0, 40.5, 8.0])


@pytest.fixture
def known() -> ObjectVariance:
    return ObjectVariance.of(COVARIANCE, np.diag([0.01, 0.01, 0.01]), NONE, DEGREES)


def test_a_covariance_that_is_one_stays_as_it_is(known: ObjectVariance) -> None:
    np.testing.assert_allclose(known.covariance, COVARIANCE, atol=1e-15)
    np.testing.assert_allclose(known.error, [0.2, 0.3, 0.4])
    assert known.least_degrees == 8.0


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_and_p_values_are_those_of_t(known: ObjectVariance, level: float) -> None:
    estimate = np.array([0.5, -0.1, 0.0])
    low, high = known.interval(estimate, level)
    for i, (value, error) in enumerate(zip(estimate, (0.2, 0.3, 0.4), strict=True)):
        assert (low[i], high[i]) == pytest.approx(stats.t.interval(level, DEGREES[i], value, error))
    p = known.p_value(estimate)
    assert p[0] == pytest.approx(2 * stats.t(12).cdf(-2.5))
    assert p[2] == 1.0


def test_an_interval_ends_at_0_where_p_says_so(known: ObjectVariance) -> None:
    estimate = known.reach(0.9)
    np.testing.assert_allclose(known.p_value(estimate), 0.1)
    np.testing.assert_allclose(known.interval(estimate, 0.9)[0], 0.0, atol=1e-15)


def test_no_covariance_has_negative_eigenvalues_cut_off_about_its_floor() -> None:
    """Worked by hand: the difference from the floor is 3 along (1, 1) and -2 along (1, -1)."""
    floor = np.eye(2)
    once = floor + np.array([[0.5, 2.5], [2.5, 0.5]])
    found = ObjectVariance.of(once, floor, NONE[:2], DEGREES[:2])
    joint = np.array([[2.5, 1.5], [1.5, 2.5]])  # the floor and 3 along (1, 1)
    np.testing.assert_allclose(found.covariance, joint * 1.5 / 2.5)
    np.testing.assert_allclose(np.diag(found.covariance), 1.5)


def test_a_floored_variance_is_its_floor() -> None:
    once, floor = np.array([[-0.5, 0.2], [0.2, 4.0]]), np.array([[1.0, 0.3], [0.3, 1.0]])
    found = ObjectVariance.of(once, floor, np.array([True, False]), DEGREES[:2])
    np.testing.assert_allclose(np.diag(found.covariance), [1.0, 4.0])
    assert np.linalg.eigvalsh(found.covariance).min() > 0.0


def test_what_does_not_vary_is_certain() -> None:
    nothing = ObjectVariance.of(np.zeros((3, 3)), np.zeros((3, 3)), NONE, DEGREES)
    estimate = np.array([0.5, 0.0, -1.0])
    np.testing.assert_array_equal(nothing.interval(estimate), [estimate, estimate])
    assert nothing.p_value(estimate).tolist() == [0.0, 1.0, 0.0]
    assert (nothing.draws(np.random.default_rng(0), 5) == 0.0).all()


def test_of_what_is_not_known_nothing_is_said() -> None:
    once = COVARIANCE.copy()
    once[1] = once[:, 1] = np.nan
    found = ObjectVariance.of(once, np.diag([0.01, np.nan, 0.01]), NONE, np.array([12.0, 1.0, 8.0]))
    assert found.least_degrees == 8.0, "of those of which something is known"
    low, high = found.interval(np.ones(3))
    assert np.isnan([low[1], high[1], found.p_value(np.ones(3))[1]]).all()
    assert np.isfinite([low[[0, 2]], high[[0, 2]]]).all()
    drawn = found.draws(np.random.default_rng(0), 4)
    assert np.isnan(drawn[:, 1]).all()
    assert np.isfinite(drawn[:, [0, 2]]).all()


def test_of_nothing_known_no_draw_is_a_number() -> None:
    found = ObjectVariance.of(np.full((2, 2), np.nan), np.zeros((2, 2)), NONE[:2], DEGREES[:2])
    assert np.isnan(found.draws(np.random.default_rng(0), 3)).all()
    assert math.isinf(found.least_degrees)


def test_draws_are_multivariate_t(known: ObjectVariance) -> None:
    drawn = known.draws(np.random.default_rng(1), 60_000)
    assert drawn.shape == (60_000, 3)
    reference = stats.multivariate_t(shape=COVARIANCE, df=8.0)
    for curve, spread in enumerate((0.2, 0.3, 0.4)):
        assert stats.kstest(drawn[:, curve] / spread, stats.t(8).cdf).pvalue > 0.01
    theirs = reference.rvs(60_000, random_state=np.random.default_rng(2))
    largest, expected = (np.abs(each / [0.2, 0.3, 0.4]).max(axis=1) for each in (drawn, theirs))
    assert np.quantile(largest, 0.95) == pytest.approx(np.quantile(expected, 0.95), rel=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), COVARIANCE * 8 / 6, atol=0.006)
