"""Agreement with choices and preferences, by hand and against plain loops."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.statistics.agreement import agreement_with_preferences, agreements, correct_choices
from reference import agreement
from reference_scores import shared_agreement

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def test_a_choice_is_right_only_if_strictly_closest() -> None:
    distances = np.array([[1.0, 2.0, 2.0, 3.0]])
    judged = np.array([[0, 1, 3], [1, 0, 3], [1, 2, 3], [2, 1, 3], [3, 1, 0], [1, 2, 0]])
    chosen = np.array([0, 1, 0, 1, 0, 2])
    np.testing.assert_array_equal(correct_choices(distances, judged, chosen), [[1, 1, 0, 0, 0, 1]])


@given(st.integers(2, 3), st.integers(1, 30), st.integers(0, 2**31))
def test_correct_choices_equal_the_reference(options: int, judgments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 4, (2, 12)) / 3.0
    judged = np.array([rng.choice(12, options, replace=False) for _ in range(judgments)])
    chosen = rng.integers(0, options, judgments)
    found = correct_choices(distances, judged, chosen)
    for curve in range(2):
        np.testing.assert_array_equal(found[curve], agreement(distances[curve][judged], chosen.tolist()))


@given(st.integers(2, 4), st.integers(1, 30), st.integers(0, 2**31))
def test_shared_choices_equal_the_reference(options: int, judgments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 3, (2, 12)) / 3.0
    judged = np.array([rng.choice(12, options, replace=False) for _ in range(judgments)])
    chosen = rng.integers(0, options, judgments)
    found = correct_choices(distances, judged, chosen, share_ties=True)
    for curve in range(2):
        np.testing.assert_array_equal(found[curve], shared_agreement(distances[curve][judged], chosen.tolist()))


def test_curves_may_be_rows_of_several_arrays() -> None:
    rng = np.random.default_rng(0)
    distances, judged, chosen = rng.random((4, 30)), rng.integers(0, 30, (50, 3)), rng.integers(0, 3, 50)
    expected = correct_choices(distances, judged, chosen)
    np.testing.assert_array_equal(correct_choices(list(distances), judged, chosen), expected)


def test_one_curve_at_a_time_is_looked_at() -> None:
    judged, chosen = np.array([[0, 1, 2]]), np.array([0.0])
    one_by_one = agreements([np.arange(3.0), np.empty(0)], judged, chosen, "choice")
    assert next(one_by_one).tolist() == [True], "and the next, which has no distances, is not"
    with pytest.raises(IndexError):
        next(one_by_one)


@pytest.mark.parametrize(("share_ties", "expected"), [(False, [0, 0, 1, 1]), (True, [np.nan, np.nan, 1, 1])])
def test_a_distance_that_is_no_number_is_never_right(share_ties: bool, expected: list[float]) -> None:
    distances = np.array([[np.nan, 0.2, 0.1]])
    judged = np.array([[0, 1], [1, 0], [2, 1], [2, 1]])
    found = correct_choices(distances, judged, np.zeros(4, dtype=np.int64), share_ties)
    np.testing.assert_array_equal(found, [expected])


@given(st.integers(1, 30), st.integers(0, 2**31))
def test_preferences_equal_a_plain_loop(judgments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 4, (2, 8)) / 4
    judged, preferred = rng.integers(0, 8, (judgments, 2)), rng.integers(0, 6, judgments) / 5
    found = agreement_with_preferences(distances, judged, preferred)

    def share(curve: Floats, pairs: Indices, second: float) -> float:
        one, other = curve[pairs]
        return 0.5 if one == other else float(second if other < one else 1 - second)

    for curve, row in zip(distances, found, strict=True):
        assert row.tolist() == list(map(partial(share, curve), judged, preferred))
