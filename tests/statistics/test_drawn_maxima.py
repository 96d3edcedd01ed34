"""Critical values and p-values of drawn maxima: counted by hand, and never at odds with each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignbench.statistics.drawn_maxima import critical_values, p_values

DRAWN = np.arange(1.0, 20.0)  # 19 draws, so that the sample is the twentieth


def test_the_sample_counts_as_a_draw() -> None:
    found = p_values(np.array([0.5, 10.0, 18.5, 19.0, np.nan]), DRAWN, 24.0, 3)
    assert found[:4] == pytest.approx([20 / 20, 11 / 20, 2 / 20, 2 / 20])
    assert np.isnan(found[4])


def test_beyond_all_draws_bonferronis_bound_is_taken_if_it_is_smaller() -> None:
    low, high = 19.5, 30.0
    assert p_values(np.array([low, high]), DRAWN / 10, 4.0, 3) == pytest.approx(3 * stats.t.sf([low, high], 4.0))
    assert p_values(np.array([2.0]), DRAWN / 10, 4.0, 3) == pytest.approx(1 / 20), "which 3 x 0.06 is not"


def test_a_value_has_to_exceed_as_many_draws_as_its_tail_says() -> None:
    assert critical_values(DRAWN, 0.25, np.inf, 1) == 16.0  # 16.5 is reached by 3, so that p is 0.2
    assert critical_values(DRAWN, 0.2, np.inf, 1) == 17.0
    assert critical_values(DRAWN / 10, 0.01, 4.0, 3) == pytest.approx(stats.t.isf(0.01 / 3, 4.0))
    assert critical_values(DRAWN * 10, 0.01, 4.0, 3) == 190.0, "no draw may reach it"


@pytest.mark.parametrize("tail", [0.3, 0.05, 0.025, 0.01, 0.002, 1e-5])
def test_a_value_is_beyond_the_critical_one_where_its_p_is_below_the_tail(tail: float) -> None:
    rng = np.random.default_rng(1)
    drawn = np.round(np.abs(rng.standard_t(9.0, (400, 5))).max(axis=1), 2)
    t = np.concatenate([drawn, np.linspace(0.0, 12.0, 500)])
    np.testing.assert_array_equal(t > critical_values(drawn, tail, 9.0, 10), p_values(t, drawn, 9.0, 10) < tail)


def test_each_column_has_draws_of_its_own() -> None:
    drawn = np.random.default_rng(2).normal(size=(99, 4)) * [1.0, 2.0, 3.0, 4.0]
    t = np.array([2.0, 1.0, 5.0, 0.0])
    together = p_values(t, drawn, 24.0, 2), critical_values(drawn, 0.05, 24.0, 2)
    for column in range(4):
        assert together[0][column] == p_values(t[column : column + 1], drawn[:, column], 24.0, 2)[0]
        assert together[1][column] == critical_values(drawn[:, column], 0.05, 24.0, 2)
