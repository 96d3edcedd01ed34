"""Rules about OpenAI's four sizes, each branch on hand-made curves whose outcome is known."""

from collections.abc import Callable

import numpy as np
import pytest

from alignbench.study.evidence import Outcome
from alignbench.study.levels import LevelPanels, Scored
from alignbench.study.rules import sizes
from level_panels import DEPTHS, NORMALISED, curve, everywhere, flat, panel
from studies import BASE_16, BASE_32, LARGE_14, LARGE_336

Best = float | tuple[float, float, float]


@pytest.mark.parametrize(
    ("of_32", "spread", "expected"),
    [
        (0.75, 0.001, "borne out"),
        (0.75, 0.1, "by value only"),
        (0.69, 0.1, "undecided"),
        (0.65, 0.001, "contradicted"),
        ((0.75, 0.75, 0.65), 0.001, "contradicted"),
    ],
)
def test_base_32_is_best_of_four_at_all_levels(of_32: Best, spread: float, expected: str) -> None:
    panels = everywhere({BASE_16: 0.7, LARGE_14: 0.7, LARGE_336: 0.6} | {BASE_32: of_32}, spread)
    outcome = sizes.base_32_is_best(panels)
    assert outcome.verdict == expected
    assert len(outcome.evidence) == 9
    first = outcome.evidence.iloc[0]
    assert (first["model"], first["other"], first["best_of_other"]) == (BASE_32, BASE_16, 0.7)
    assert first["value"] == pytest.approx((of_32[0] if isinstance(of_32, tuple) else of_32) - 0.7)


def test_a_flat_curve_is_not_favoured_for_its_many_layers() -> None:
    """Thirteen layers as good as another's only good one: chosen anew in each resample they would lie above."""
    depths, rng = np.linspace(2.5, 97.5, 13), np.random.default_rng(3)
    level = Scored(depths, False, np.full((13, 1), 0.7) + 0.02 * np.insert(rng.normal(size=(13, 1000)), 0, 0.0, axis=1))
    one_good = Scored(depths, False, level.scores - 0.3 * (np.arange(13)[:, None] != 5))
    curves = {(BASE_32, NORMALISED): level} | {
        (model, NORMALISED): one_good for model in (BASE_16, LARGE_14, LARGE_336)
    }
    panels = {name: panel(name, curves) for name in ("low", "middle", "high")}
    anew = level.scores.max(axis=0) - one_good.scores.max(axis=0)
    assert np.quantile(anew[1:], 0.025) >= 0.0, "the trap"
    assert sizes.base_32_is_best(panels).verdict == "undecided"


@pytest.mark.parametrize("rule", [sizes.base_32_is_best, sizes.large_336_is_worst])
def test_all_four_sizes_are_needed_everywhere(rule: Callable[[LevelPanels], Outcome]) -> None:
    panels = everywhere({BASE_16: 0.7, LARGE_14: 0.7, BASE_32: 0.8})
    assert rule(panels).verdict == "untestable"


@pytest.mark.parametrize(
    ("of_336", "spread", "expected"),
    [(0.6, 0.001, "borne out"), (0.69, 0.1, "by value only"), (0.72, 0.001, "contradicted"), (0.71, 0.1, "undecided")],
)
def test_large_336_is_worst_before_the_projection(of_336: float, spread: float, expected: str) -> None:
    panels = everywhere({BASE_16: 0.7, LARGE_14: 0.8, BASE_32: 0.75, LARGE_336: of_336}, spread)
    outcome = sizes.large_336_is_worst(panels)
    assert outcome.verdict == expected
    assert set(outcome.evidence["other"]) == {LARGE_336}


@pytest.mark.parametrize(
    ("projection", "spread", "expected"),
    [(0.72, 0.001, "borne out"), (0.72, 0.1, "by value only"), (0.65, 0.001, "contradicted"), (0.69, 0.1, "undecided")],
)
def test_at_the_projection_large_336_is_above_the_lowest_of_the_others(
    projection: float, spread: float, expected: str
) -> None:
    ends = {BASE_16: 0.8, BASE_32: 0.7, LARGE_14: 0.75, LARGE_336: projection}
    panels = {
        level: panel(level, {(m, NORMALISED): flat(0.9, spread, projection=end) for m, end in ends.items()})
        for level in ("low", "middle", "high")
    }
    outcome = sizes.large_336_is_not_worst_at_the_projection(panels)
    assert outcome.verdict == expected
    assert outcome.evidence["value"].tolist() == pytest.approx([projection - 0.7] * 3)


@pytest.mark.parametrize(
    ("values", "spread", "expected"),
    [
        ((0.5, 0.5, 0.6, 0.8, 0.5, 0.9), 0.001, "borne out"),  # the peak is at 75 %
        ((0.5, 0.5, 0.8, 0.81, 0.5, 0.9), 0.05, "by value only"),
        ((0.5, 0.5, 0.81, 0.8, 0.5, 0.9), 0.05, "undecided"),  # at 50 %
        ((0.5, 0.5, 0.8, 0.6, 0.5, 0.9), 0.001, "contradicted"),
        ((0.5, 0.5, 0.6, 0.5, 0.8, 0.9), 0.001, "contradicted"),  # at 97.5 %
    ],
)
def test_base_32_peaks_around_70_percent(values: tuple[float, ...], spread: float, expected: str) -> None:
    panels = {name: panel(name, {(BASE_32, NORMALISED): curve(*values, spread=spread)}) for name in ("middle", "high")}
    outcome = sizes.base_32_peaks_at_70(panels)
    assert outcome.verdict == expected
    assert outcome.evidence["value"].unique().tolist() == [DEPTHS[int(np.argmax(values[:-1]))]]
    assert sizes.base_32_peaks_at_70({"low": panels["middle"]}).verdict == "untestable"


@pytest.mark.parametrize(
    ("values", "spread", "expected"),
    [
        ((0.5, 0.6, 0.7, 0.8, 0.6, 0.9), 0.001, "borne out"),
        ((0.5, 0.6, 0.7, 0.8, 0.6, 0.9), 0.2, "by value only"),
        ((0.5, 0.6, 0.7, 0.8, 0.85, 0.9), 0.001, "contradicted"),  # the last block is the peak
        ((0.5, 0.6, 0.7, 0.8, 0.6, 0.5), 0.001, "contradicted"),  # falls on at the projection
        ((0.5, 0.6, 0.7, 0.8, 0.6, 0.59), 0.2, "undecided"),
    ],
)
def test_base_32_falls_and_rises_again(values: tuple[float, ...], spread: float, expected: str) -> None:
    panels = {name: panel(name, {(BASE_32, NORMALISED): curve(*values, spread=spread)}) for name in ("middle", "high")}
    assert sizes.base_32_falls_and_rises(panels).verdict == expected
    assert sizes.base_32_falls_and_rises({"middle": panels["middle"]}).verdict == "untestable"


@pytest.mark.parametrize(
    ("values", "spread", "expected"),
    [
        ((0.8, 0.7, 0.78, 0.8, 0.79, 0.7), 0.001, "borne out"),
        ((0.8, 0.7, 0.78, 0.8, 0.79, 0.7), 0.1, "by value only"),
        ((0.8, 0.7, 0.78, 0.8, 0.7, 0.6), 0.001, "contradicted"),  # falls before the projection
        ((0.8, 0.7, 0.78, 0.8, 0.79, 0.85), 0.001, "contradicted"),  # rises at the projection
        ((0.8, 0.7, 0.78, 0.8, 0.79, 0.8), 0.1, "undecided"),
    ],
)
def test_base_32_is_flat_at_low_and_falls_at_the_projection(
    values: tuple[float, ...], spread: float, expected: str
) -> None:
    panels = {"low": panel("low", {(BASE_32, NORMALISED): curve(*values, spread=spread)})}
    assert sizes.base_32_is_flat_and_falls_at_low(panels).verdict == expected
    assert sizes.base_32_is_flat_and_falls_at_low({}).verdict == "untestable"
