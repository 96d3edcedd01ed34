"""Rules about baselines, each branch on hand-made curves whose outcome is known."""

import numpy as np
import pytest

from alignbench.study.levels import Scored
from alignbench.study.rules import baselines
from level_panels import COSINE, DEPTHS, NORMALISED, curve, flat, panel
from studies import BIOMED, SIGLIP


@pytest.mark.parametrize(
    ("level", "scores", "expected"),
    [
        ("low", {"ssim": 0.5, "pixels": 0.4}, "borne out"),
        ("low", {"ssim": 0.6995, "pixels": 0.4}, "by value only"),
        ("low", {"ssim": 0.7005, "pixels": 0.4}, "undecided"),
        ("low", {"ssim": 0.72, "pixels": 0.4}, "contradicted"),
        ("high", {"ssim": 0.5, "perceptnet": 0.6}, "borne out"),
        ("high", {"ssim": 0.5, "perceptnet": 0.9}, "contradicted"),
        ("middle", {"pixels": 0.75}, "contradicted"),
        ("middle", {}, "untestable"),
    ],
)
def test_models_beat_baselines(level: str, scores: dict[str, float], expected: str) -> None:
    curves = {("m", NORMALISED): flat(0.7), ("n", NORMALISED): flat(0.72), ("o", COSINE): flat(0.1)}
    outcome = baselines.models_beat_baselines({level: panel(level, curves, scores)})
    assert outcome.verdict == expected
    assert len(outcome.evidence) == 2 * len(scores)


@pytest.mark.parametrize(
    ("level", "score", "expected"),
    [
        ("low", 0.9, "borne out"),
        ("low", 0.7205, "by value only"),
        ("low", 0.71, "contradicted"),
        ("high", 0.9, "untestable"),
    ],
)
def test_perceptnet_beats_models_at_low(level: str, score: float, expected: str) -> None:
    curves = {("m", NORMALISED): flat(0.7), ("n", NORMALISED): flat(0.72), ("o", COSINE): flat(0.95)}
    panels = {level: panel(level, curves, {"ssim": 0.8, "perceptnet": score})}
    assert baselines.perceptnet_beats_models(panels).verdict == expected
    beaten = baselines.models_beat_baselines({"low": panel("low", curves, {"ssim": 0.5, "perceptnet": score})})
    assert beaten.verdict == "borne out"
    assert set(beaten.evidence["baseline"]) == {"ssim"}


def test_scores_that_are_not_there_leave_a_rule_untestable() -> None:
    nothing = Scored(DEPTHS, True, np.full((6, 1001), np.nan))
    panels = {"low": panel("low", {("m", NORMALISED): nothing, ("n", NORMALISED): flat(0.7)}, {"ssim": 0.5})}
    outcome = baselines.models_beat_baselines(panels)
    assert outcome.verdict == "untestable"
    assert "low m ssim" in outcome.why


@pytest.mark.parametrize(
    ("first", "spread", "expected"),
    [
        (0.4, 0.001, "borne out"),
        (0.4, 0.2, "by value only"),
        (0.6, 0.001, "contradicted"),
        (0.6, 0.2, "undecided"),
    ],
)
def test_siglip_begins_below_pixels_at_middle(first: float, spread: float, expected: str) -> None:
    curves = {(SIGLIP, NORMALISED): curve(first, 0.6, 0.7, 0.7, 0.7, 0.7, spread=spread)}
    assert (
        baselines.siglip_begins_below_pixels({"middle": panel("middle", curves, {"pixels": 0.5})}).verdict == expected
    )
    assert baselines.siglip_begins_below_pixels({"middle": panel("middle", curves)}).why == "Needs pixels on NIGHTS."


@pytest.mark.parametrize(
    ("scores", "spread", "expected"),
    [
        ({"lpips": 0.68}, 0.001, "borne out"),
        ({"lpips-alex": 0.9, "lpips-vgg": 0.72}, 0.001, "borne out"),  # the nearer
        ({"lpips": 0.68}, 0.1, "by value only"),
        ({"lpips": 0.6}, 0.001, "contradicted"),
        ({"lpips": 0.62}, 0.1, "undecided"),
        ({"ssim": 0.68}, 0.001, "untestable"),
    ],
)
def test_the_last_block_of_biomedclip_is_close_to_lpips(scores: dict[str, float], spread: float, expected: str) -> None:
    curves = {(BIOMED, NORMALISED): curve(0.5, 0.6, 0.9, 0.8, 0.7, 0.9, spread=spread)}
    panels = {level: panel(level, curves, scores) for level in ("middle", "high")}
    outcome = baselines.biomed_is_close_to_lpips(panels)
    assert outcome.verdict == expected
    if expected != "untestable":
        assert outcome.evidence["value"].tolist() == pytest.approx([min(abs(0.7 - s) for s in scores.values())] * 2)
