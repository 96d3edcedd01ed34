"""Intervals that hold together, against SciPy's t tests at other levels, and p-values that say what intervals say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alignbench.statistics.corrected import Known, family_level


def test_each_of_several_intervals_misses_as_rarely_as_all_may() -> None:
    assert family_level(1) == 0.95
    assert 1.0 - family_level(10) == pytest.approx(0.005)


@pytest.mark.parametrize("count", [1, 3, 60])
def test_a_t_interval_is_that_of_the_t_test_at_the_level(count: int) -> None:
    x = np.random.default_rng(0).normal(0.3, 1.0, 25)
    test = stats.ttest_1samp(x, 0.0)
    low, high = test.confidence_interval(0.95)
    found = Known(float(low), float(high), test.pvalue, float(stats.sem(x)), 24.0)
    assert found.at(1.0 - 0.05 / count) == pytest.approx(tuple(test.confidence_interval(1.0 - 0.05 / count)))
    assert found.p == pytest.approx(test.pvalue, rel=1e-9)
    negative = Known(-float(high), -float(low), test.pvalue, float(stats.sem(x)), 24.0)
    assert negative.p == pytest.approx(test.pvalue, rel=1e-9)


def test_a_skewed_interval_keeps_its_skewness_and_grows_by_standard_errors() -> None:
    found = Known(0.3, 0.8, 0.002, 0.1, math.inf)
    assert found.at(0.95) == pytest.approx((0.3, 0.8))
    further = 0.1 * (2.575829 - 1.959964)  # quantiles of the normal distribution, from a table
    assert found.at(0.99) == pytest.approx((0.3 - further, 0.8 + further), rel=1e-6)
    assert found.p == pytest.approx(2.0 * stats.norm.sf(1.959964 + 3.0), rel=1e-5)
    assert Known(-0.8, -0.3, 0.002, 0.1, math.inf).p == pytest.approx(found.p), "the side toward 0 decides"


@given(
    st.floats(-1.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.001, 1.0),
    st.sampled_from([4.0, 24.0, math.inf]),
    st.sampled_from([1, 2, 9, 60]),
)
def test_an_interval_excludes_0_where_p_is_small_enough(
    low: float, width: float, error: float, degrees: float, count: int
) -> None:
    found = Known(low, low + width, 0.01, error, degrees)
    ends = found.at(family_level(count))
    p = count * found.p
    if abs(p - 0.05) > 1e-9:
        assert (ends[0] > 0.0 or ends[1] < 0.0) == (p < 0.05)


def test_where_the_interval_holds_0_the_p_value_is_that_of_the_resamples() -> None:
    assert Known(-0.1, 0.3, 0.4, 0.1, 99.0).p == 0.4
    assert Known(-0.001, 0.3, 0.049, 0.1, 99.0).p == pytest.approx(0.05), (
        "which an interval that holds 0 cannot be below"
    )


def test_what_is_certain_or_unknown_stays_so() -> None:
    assert Known(0.1, 0.1, 0.0, 0.0, 24.0).at(0.999) == (0.1, 0.1)
    assert (Known(0.1, 0.1, 0.0, 0.0, 24.0).p, Known(0.0, 0.0, 1.0, 0.0, 24.0).p) == (0.0, 1.0)
    unknown = Known(*[math.nan] * 5)
    assert np.isnan([unknown.p, *unknown.at(0.99)]).all()
