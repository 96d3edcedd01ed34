"""Rules about levels: where alignment sets in and peaks, and how high it comes, on hand-made curves."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from alignbench.study.evidence import Outcome
from alignbench.study.levels import LevelPanel, Scored
from alignbench.study.rules import abstraction
from level_panels import DEPTHS, LEVELS, NORMALISED, curve, everywhere, panel


def peaked(at: int, spread: float = 0.001, height: float = 0.8) -> Scored:
    """A curve whose best layer before the projection is the `at`-th; the projection is higher still."""
    return curve(*(height if layer == at else 0.5 for layer in range(5)), 0.9, spread=spread)


def peaks(*at: tuple[int, int, int], spread: float = 0.001) -> dict[str, LevelPanel]:
    return {
        level: panel(
            level, {(f"m{i}", NORMALISED): peaked(each[index], spread) for i, each in enumerate(at)}, {"pixels": 0.4}
        )
        for index, level in enumerate(LEVELS)
    }


@pytest.mark.parametrize(
    ("at", "spread", "expected"),
    [
        ([(0, 2, 4)], 0.001, "borne out"),
        ([(0, 2, 4)], 0.3, "by value only"),
        ([(0, 2, 2)], 0.001, "undecided"),
        ([(4, 2, 0)], 0.001, "contradicted"),
        ([(4, 2, 0)], 0.3, "undecided"),
        ([(0, 2, 4), (2, 1, 3)], 0.001, "borne out"),  # in the mean, though not in the second
        ([(0, 2, 4), (4, 2, 1)], 0.001, "undecided"),  # in the mean, no rise from low to middle
    ],
)
def test_peaks_move_deeper(at: list[tuple[int, int, int]], spread: float, expected: str) -> None:
    outcome = abstraction.peak_moves_deeper(peaks(*at, spread=spread))
    assert outcome.verdict == expected
    models = outcome.evidence[~outcome.evidence["judged"].astype(bool)].set_index("model")
    for index, each in enumerate(at):
        assert [models.loc[f"m{index}", f"depth_at_{level}"] for level in LEVELS] == [DEPTHS[layer] for layer in each]


def test_models_whose_peak_moves_up_are_named() -> None:
    outcome = abstraction.peak_moves_deeper(peaks((0, 2, 4), (2, 1, 3)))
    assert outcome.why.startswith(
        f"Mean depth of the peak over 2 models: {(2.5 + 50) / 2:.1f} % at low, {(50 + 25) / 2:.1f} % at middle, "
        f"{(97.5 + 75) / 2:.1f} % at high; shallower at a higher level in m1. 2 of 2 comparisons"
    )


def setting_in(at: int, spread: float = 0.001) -> Scored:
    """A curve that rises at a layer and peaks at the last block, all above pixels of 0.4."""
    return curve(*(0.45 if layer < at else 0.8 + 0.01 * layer for layer in range(5)), 0.9, spread=spread)


@pytest.mark.parametrize(
    ("at", "spread", "expected"),
    [
        ((0, 2, 4), 0.001, "borne out"),
        ((0, 2, 4), 0.3, "by value only"),
        ((0, 2, 2), 0.001, "undecided"),
        ((3, 1, 2), 0.001, "contradicted"),
    ],
)
def test_onsets_move_deeper(at: tuple[int, int, int], spread: float, expected: str) -> None:
    panels = {
        level: panel(level, {("m", NORMALISED): setting_in(each, spread)}, {"pixels": 0.4})
        for level, each in zip(LEVELS, at, strict=True)
    }
    outcome = abstraction.onset_moves_deeper(panels)
    assert outcome.verdict == expected
    depths = ", ".join(f"{DEPTHS[each]:.1f} % at {level}" for each, level in zip(at, LEVELS, strict=True))
    assert f"Mean depth of the onset over 1 model: {depths}" in outcome.why


def test_an_onset_needs_pixels_at_every_level_and_is_at_depth_0_where_they_are_best() -> None:
    panels = peaks((0, 2, 4))
    lacking = abstraction.onset_moves_deeper(panels | {"high": panel("high", panels["high"].curves, {"ssim": 0.4})})
    assert (lacking.verdict, lacking.why) == ("untestable", "Needs pixels on THINGS.")
    above = abstraction.onset_moves_deeper(panels | {"low": panel("low", panels["low"].curves, {"pixels": 0.95})})
    assert "0.0 % at low" in above.why


RULES = [abstraction.peak_moves_deeper, abstraction.onset_moves_deeper, abstraction.alignment_falls]


@pytest.mark.parametrize("rule", RULES)
def test_levels_are_compared_in_models_that_have_all(rule: Callable[[Mapping[str, LevelPanel]], Outcome]) -> None:
    panels = peaks((0, 2, 4))
    assert rule({level: panels[level] for level in ("low", "middle")}).verdict == "untestable"
    panels["high"] = panel("high", {("another", NORMALISED): peaked(3)}, {"pixels": 0.4})
    assert rule(panels).verdict == "untestable"
    assert "all three levels" in rule(panels).why


@pytest.mark.parametrize(
    ("best", "spread", "expected"),
    [
        ((0.8, 0.7, 0.5), 0.001, "borne out"),
        ((0.8, 0.7, 0.5), 0.1, "by value only"),
        ((0.8, 0.7, 0.72), 0.001, "contradicted"),
        ((0.7, 0.8, 0.5), 0.001, "contradicted"),
        ((0.8, 0.7, 0.72), 0.1, "undecided"),
    ],
)
def test_alignment_falls(best: tuple[float, float, float], spread: float, expected: str) -> None:
    outcome = abstraction.alignment_falls(everywhere({"m": best}, spread))
    assert outcome.verdict == expected
    assert [*outcome.evidence["best_before"], outcome.evidence["best_after"].iloc[1]] == list(best)
    low, middle, high = best
    above = [low, (middle - 0.5) / 0.5, (high - 1 / 3) / (2 / 3)]
    np.testing.assert_allclose(outcome.evidence["above_chance_before"], above[:2], rtol=1e-12)
    np.testing.assert_allclose(outcome.evidence["above_chance_after"], above[1:], rtol=1e-12)


def test_alignment_is_to_fall_in_every_model_and_other_ways_to_compare_are_said() -> None:
    panels = everywhere({"m": (0.8, 0.7, 0.5), "n": (0.6, 0.7, 0.5)})
    for level, projection in zip(LEVELS, (0.6, 0.9, 0.5), strict=True):
        panels[level].curves["m", NORMALISED].scores[-1] = projection  # type: ignore[index]
    outcome = abstraction.alignment_falls(panels)
    assert outcome.verdict == "contradicted"
    assert outcome.why.startswith(
        "It falls in 1 of 2 models; corrected for chance in 2; uncorrected, with the projection among the layers, in 0."
    )
