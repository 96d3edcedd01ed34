"""What rules compare: each quantity by loops over layers, and bounds that hold it whenever they hold its terms."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.study import contrasts
from alignbench.study.contrasts import Compared
from alignbench.study.levels import LevelPanel, Scored
from level_panels import DEPTHS, curve, panel

Floats = NDArray[np.float64]
LOW = panel("low", {})
BLOCKS = DEPTHS[:-1]


def value_of(compared: Compared) -> float:
    terms, ends = compared
    values = [term.contrasts[..., 0] for term in terms]
    low, high = ends(values, values)
    assert low == high
    return low


def scored(values: Floats) -> Scored:
    return Scored(DEPTHS[: len(values)], len(values) == len(DEPTHS), values[:, None])


# --- By hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.8, 0.7, 0.5, 0.6, 0.65), 0.15),  # the best after is lower
        ((0.6, 0.4, 0.5, 0.45, 0.7), 0.15),  # the best before is lower; lowest at 75 %
        ((0.5, 0.55, 0.6, 0.65, 0.7), -0.05),  # rising: no dip
    ],
)
def test_a_dip_by_hand(values: tuple[float, ...], expected: float) -> None:
    found = contrasts.dip(LOW, BLOCKS, np.array(values)[:, None])
    assert found is not None
    assert value_of(found) == pytest.approx(expected)


def test_the_middle_is_from_45_to_80_percent() -> None:
    depths = np.array([44.9, 45.0, 80.0, 80.1])
    found = contrasts.dip(LOW, depths, np.array([[0.5], [0.2], [0.3], [0.4]]))
    assert found is not None
    assert value_of(found) == pytest.approx(0.2)
    assert contrasts.dip(LOW, depths[:3], np.ones((3, 1))) is None


def test_the_peak_lies_where_no_other_layer_is_surely_above() -> None:
    term, where = contrasts.peak(LOW, scored(np.array([0.5, 0.79, 0.8, 0.795, 0.5, 0.9])))
    values = term.contrasts[..., 0]
    assert where(values, values) == (50.0, 50.0), "the projection is no layer of a peak"
    assert where(values - 0.02, values + 0.02) == (25.0, 75.0)
    assert where(values - 0.5, values + 0.5) == (2.5, 97.5)
    gone = np.array([np.nan, 0.79, 0.8, 0.795, 0.5, 0.9])
    term, where = contrasts.peak(LOW, scored(gone))
    values = term.contrasts[..., 0]
    assert where(values - 0.5, values + 0.5) == (25.0, 97.5), "a layer without a score is no peak"


@pytest.mark.parametrize(
    ("values", "pixels", "expected"),
    [
        ((0.3, 0.5, 0.61, 0.9, 0.8, 0.99), 0.3, 50.0),  # halfway is 0.6: the projection is no layer
        ((0.8, 0.7, 0.6, 0.5, 0.4, 0.9), 0.5, 2.5),  # highest at the first layer
        ((0.3, 0.4, 0.5, 0.6, 0.55, 0.9), 0.7, 0.0),  # pixels are above all
        ((0.6, 0.3, 0.4, 0.8, 0.7, 0.9), 0.2, 2.5),  # the first, though it falls again
    ],
)
def test_the_onset_is_the_first_layer_halfway_from_pixels_to_the_peak(
    values: tuple[float, ...], pixels: float, expected: float
) -> None:
    term, where = contrasts.onset(LOW, scored(np.array(values)), np.array([pixels]))
    found = term.contrasts[..., 0]
    assert where(found, found) == (expected, expected)


def test_the_onset_lies_between_the_first_layer_that_may_be_halfway_and_the_first_that_surely_is() -> None:
    term, where = contrasts.onset(LOW, scored(np.array([0.3, 0.58, 0.65, 0.9, 0.8, 0.9])), np.array([0.3]))
    values = term.contrasts[..., 0]
    assert where(values - 0.03, values + 0.03) == (25.0, 50.0)
    assert where(values - 9.0, values + 9.0) == (0.0, 97.5)


def test_the_nearest_of_two_differences_is_how_far_it_is_from_0() -> None:
    terms, ends = contrasts.nearest(LOW, np.array([[0.3], [-0.1]]))
    assert value_of((terms, ends)) == pytest.approx(0.1)
    value = terms[0].contrasts[..., 0]
    assert ends([value - 0.04], [value + 0.04]) == (pytest.approx(0.06), pytest.approx(0.14))
    assert ends([value - 0.2], [value + 0.2]) == (0.0, pytest.approx(0.3))


def test_mean_depths_are_compared_by_their_ends() -> None:
    before = [
        contrasts.peak(LOW, scored(np.array(values))) for values in ((0.9, 0.5, 0.5, 0.5, 0.5), (0.5, 0.9, 0, 0, 0))
    ]
    after = [
        contrasts.peak(LOW, scored(np.array(values))) for values in ((0.5, 0.5, 0.5, 0.9, 0.5), (0.5, 0.5, 0.8, 0.9, 0))
    ]
    terms, ends = contrasts.mean_depth_rises(before, after)
    assert value_of((terms, ends)) == pytest.approx(75.0 - (2.5 + 25.0) / 2)
    values = [term.contrasts[..., 0] for term in terms]
    lows, highs = ([value + by for value in values] for by in (-0.15, 0.15))
    assert ends(lows, highs) == (pytest.approx((75 + 50) / 2 - (2.5 + 25) / 2), pytest.approx(75 - (2.5 + 25) / 2))


# --- Bounds ---------------------------------------------------------------------------------------------------------


def best(one: Floats, other: Floats) -> float:
    return max(one) - max(other)


def dip(values: Floats, _: Floats) -> float:
    return min(max(values[:2]), values[4]) - min(values[2:4])


def top(values: Floats, _: Floats) -> float:
    return float(BLOCKS[max(range(5), key=lambda layer: values[layer])])


def begins(values: Floats, other: Floats) -> float:
    pixels, peak = other[0], max(other[0], *values)
    points = [(0.0, pixels), *zip(BLOCKS, values, strict=True)]
    return float(next(depth for depth, score in points if score >= (pixels + peak) / 2))


def _dip(found: LevelPanel, one: Floats, _: Floats) -> Compared:
    compared = contrasts.dip(found, BLOCKS, one)
    assert compared is not None
    return compared


CASES: dict[str, tuple[Callable[[LevelPanel, Floats, Floats], Compared], Callable[[Floats, Floats], float]]] = {
    "best": (contrasts.best_difference, best),
    "dip": (_dip, dip),
    "peak": (
        lambda found, one, _: contrasts.depth_of(contrasts.peak(found, Scored(BLOCKS, False, one))),
        top,
    ),
    "onset": (
        lambda found, one, other: contrasts.depth_of(contrasts.onset(found, Scored(BLOCKS, False, one), other[0])),
        begins,
    ),
    "nearest": (
        lambda found, one, other: contrasts.nearest(found, one[:2] - other[:2]),
        lambda one, other: min(abs(one[at] - other[at]) for at in range(2)),
    ),
    "highest": (
        lambda found, one, other: contrasts.highest(found, one - other),
        lambda one, other: max(one - other),
    ),
}
SCORES = st.lists(st.integers(0, 1000), min_size=5, max_size=5, unique=True).map(lambda each: np.array(each) / 1000)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=150, deadline=None)
@given(truth=st.tuples(SCORES, SCORES), seed=st.integers(0, 2**32 - 1), width=st.floats(0.0, 0.5))
def test_bounds_hold_the_quantity_whenever_they_hold_its_terms(
    name: str, truth: tuple[Floats, Floats], seed: int, width: float
) -> None:
    """Any bounds around the true terms, however wide each, hold the true quantity, found here by loops."""
    compare, by_hand = CASES[name]
    terms, ends = compare(LOW, truth[0][:, None], truth[1][:, None])
    true = [term.contrasts[..., 0] for term in terms]
    expected = by_hand(*truth)
    assert ends(true, true) == (pytest.approx(expected, abs=1e-9), pytest.approx(expected, abs=1e-9))
    rng = np.random.default_rng(seed)
    lows, highs = ([each + sign * width * rng.random(each.shape) for each in true] for sign in (-1, 1))
    low, high = ends(lows, highs)
    assert low - 1e-9 <= expected <= high + 1e-9


def test_scores_in_resamples_are_kept_for_the_bounds() -> None:
    one = curve(0.8, 0.7, 0.5, 0.6, 0.65, 0.9)
    found = contrasts.dip(LOW, one.block_depths, one.blocks)
    assert found is not None
    terms, ends = found
    resample = [term.contrasts[..., 17] for term in terms]
    scores = one.scores[:, 17]
    by_hand = min(max(scores[:2]), scores[4]) - min(scores[2:4])
    assert ends(resample, resample)[0] == pytest.approx(by_hand)
