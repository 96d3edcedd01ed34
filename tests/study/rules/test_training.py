"""Rules about SigLIP, Chinese-CLIP and BiomedCLIP beside CLIP, each branch on hand-made curves."""

import numpy as np
import pytest

from alignbench.study.levels import LevelPanel
from alignbench.study.rules import training
from level_panels import LEVELS, NORMALISED, curve, everywhere, flat, panel
from studies import BASE_16, BIOMED, CHINESE, SIGLIP

CLIP = (0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
Values = tuple[float, ...]


def beside_clip(model: str, gains: dict[str, Values], spread: float = 0.001) -> dict[str, LevelPanel]:
    """CLIP, and a model that is so far above it at each layer."""
    return {
        level: panel(
            level,
            {
                (BASE_16, NORMALISED): curve(*CLIP, spread=spread),
                (model, NORMALISED): curve(*(np.array(CLIP) + gain), spread=spread, seed=1),
            },
        )
        for level, gain in gains.items()
    }


def alike(*gain: float) -> dict[str, Values]:
    return dict.fromkeys(LEVELS, gain)


@pytest.mark.parametrize(
    ("value", "spread", "expected"),
    [
        (0.75, 0.001, "borne out"),
        (0.71, 0.1, "by value only"),
        (0.69, 0.001, "contradicted"),
        (0.69, 0.1, "undecided"),
    ],
)
def test_siglip_is_above_clip_at_low(value: float, spread: float, expected: str) -> None:
    panels = everywhere({BASE_16: 0.7, SIGLIP: (value, 0.1, 0.1)}, spread)
    assert training.siglip_is_above_clip({"low": panels["low"]}).verdict == expected
    assert training.siglip_is_above_clip({"high": panels["high"]}).verdict == "untestable"


@pytest.mark.parametrize(
    ("gains", "spread", "expected"),
    [
        (alike(0.05, 0.05, 0.05, 0.1, 0.1, 0.0), 0.001, "borne out"),
        (alike(0.05, 0.05, 0.05, 0.1, 0.1, 0.0), 0.1, "by value only"),
        (alike(0.1, 0.1, 0.1, 0.05, 0.05, 0.0), 0.001, "contradicted"),  # most in the first layers
        (alike(0.05, 0.05, 0.05, 0.1, 0.1, 0.0) | {"high": (0.0, 0.0, 0.0, -0.05, -0.05, 0.0)}, 0.001, "contradicted"),
        (alike(0.05, 0.05, 0.05, 0.04, 0.04, 0.0), 0.1, "undecided"),
    ],
)
def test_the_sigmoid_is_to_help_everywhere_and_most_at_the_end(
    gains: dict[str, Values], spread: float, expected: str
) -> None:
    outcome = training.sigmoid_helps_everywhere(beside_clip(SIGLIP, gains, spread))
    assert outcome.verdict == expected
    assert len(outcome.evidence) == 3 * 4
    more = outcome.evidence[outcome.evidence["what"].str.startswith("gain")].iloc[0]
    low = gains["low"]
    assert more["value"] == pytest.approx((low[3] + low[4]) / 2 - (low[0] + low[1] + low[2]) / 3)


@pytest.mark.parametrize(
    ("gain", "spread", "expected"),
    [
        ((0.1, 0.1, 0.1, -0.05, -0.05, -0.05), 0.001, "borne out"),
        ((0.1, 0.1, 0.1, -0.05, -0.05, -0.05), 0.1, "by value only"),
        ((-0.1, -0.1, -0.1, -0.05, -0.05, 0.05), 0.001, "contradicted"),
        ((-0.1, -0.1, -0.1, -0.05, 0.01, -0.05), 0.1, "undecided"),
    ],
)
def test_clip_is_above_siglip_at_the_end_at_high(gain: Values, spread: float, expected: str) -> None:
    panels = beside_clip(SIGLIP, {"high": gain}, spread)
    outcome = training.clip_is_above_siglip_at_high(panels)
    assert outcome.verdict == expected
    assert outcome.evidence["what"].tolist() == ["layer_3", "layer_4", "projection"]
    assert training.clip_is_above_siglip_at_high({"low": panels["high"]}).verdict == "untestable"


@pytest.mark.parametrize(
    ("apart", "spread", "expected"),
    [
        (0.02, 0.001, "borne out"),
        (-0.02, 0.001, "borne out"),
        (-0.02, 0.1, "by value only"),
        (0.08, 0.001, "contradicted"),
        (-0.08, 0.001, "contradicted"),
        (0.08, 0.1, "undecided"),
    ],
)
def test_projections_are_close_if_they_are_less_than_five_points_apart(
    apart: float, spread: float, expected: str
) -> None:
    panels = beside_clip(SIGLIP, {"low": (0.0, 0.0, 0.0, 0.0, 0.0, apart)}, spread)
    outcome = training.siglip_and_clip_project_alike(panels)
    assert outcome.verdict == expected
    assert outcome.evidence["value"].iloc[0] == pytest.approx(abs(apart))


@pytest.mark.parametrize(
    ("gains", "spread", "expected"),
    [
        ((0.05, 0.0, -0.05), 0.0005, "borne out"),
        ((0.05, 0.008, 0.0), 0.01, "by value only"),
        ((-0.01, 0.0, 0.0), 0.0005, "contradicted"),
        ((0.05, 0.02, 0.0), 0.0005, "contradicted"),
        ((0.05, 0.0, 0.02), 0.0005, "contradicted"),
        ((0.05, 0.0, 0.012), 0.01, "undecided"),
    ],
)
def test_gains_are_at_low_only(gains: tuple[float, float, float], spread: float, expected: str) -> None:
    low, middle, high = (0.7 + gain for gain in gains)
    panels = everywhere({BASE_16: 0.7, BIOMED: (0.8, 0.6, 0.6), CHINESE: (low, middle, high)}, spread)
    outcome = training.gains_are_at_low_only(panels)
    assert outcome.verdict == expected
    of_chinese = outcome.evidence.set_index("model").loc[CHINESE]
    np.testing.assert_allclose(of_chinese["value"], gains, atol=1e-12)
    assert of_chinese["expected"].tolist() == ["above 0", "below 0.01", "below 0.01"]


def test_a_gain_at_the_projection_is_one() -> None:
    panels = everywhere({BASE_16: 0.7, CHINESE: (0.8, 0.6, 0.6), BIOMED: (0.8, 0.6, 0.6)})
    panels["high"] = panel(
        "high",
        {(m, NORMALISED): flat(0.7, projection=0.9 if m == CHINESE else 0.7) for m in (BASE_16, CHINESE, BIOMED)},
    )
    outcome = training.gains_are_at_low_only(panels)
    assert outcome.verdict == "contradicted"
    assert f"not high {CHINESE}" in outcome.why
    assert outcome.evidence.iloc[2]["difference_before_projection"] == 0.0


@pytest.mark.parametrize(
    ("gain", "spread", "expected"),
    [
        ((0.0, 0.0, 0.0, 0.05, 0.05, -0.1), 0.001, "borne out"),
        ((0.0, 0.0, 0.0, 0.05, 0.05, -0.1), 0.1, "by value only"),
        ((0.1, 0.1, 0.1, 0.05, -0.05, 0.1), 0.001, "contradicted"),
        ((0.1, 0.1, 0.1, 0.05, -0.01, 0.1), 0.1, "undecided"),
    ],
)
def test_biomedclip_is_above_clip_in_the_final_layers(gain: Values, spread: float, expected: str) -> None:
    panels = beside_clip(BIOMED, {"middle": gain, "high": gain}, spread)
    outcome = training.biomed_is_above_clip_in_final_layers(panels)
    assert outcome.verdict == expected
    assert len(outcome.evidence) == 4
    assert training.biomed_is_above_clip_in_final_layers({"low": panels["high"]}).verdict == "untestable"
