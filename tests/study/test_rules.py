"""The rules of the findings, each branch on hand-made curves whose outcome is known."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from alignbench.study import rules
from alignbench.study.evidence import Outcome
from alignbench.study.levels import LevelPanel, Scored
from alignbench.study.rules import dip, peak
from level_panels import COSINE, DEPTHS, EUCLIDEAN, LEVELS, NORMALISED, curve, everywhere, flat, panel, verdict
from studies import BASE_16, BASE_32, BIOMED, CHINESE, LARGE_14, LARGE_336, SIGLIP

# --- base-32 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_32", "spread", "expected"),
    [
        (0.75, 0.001, "borne out"),
        (0.75, 0.1, "not separable"),
        (0.65, 0.001, "not borne out"),
        ((0.75, 0.75, 0.65), 0.001, "not borne out"),
    ],
)
def test_base_32_is_best_of_four_at_all_levels(
    of_32: float | tuple[float, float, float], spread: float, expected: str
) -> None:
    panels = everywhere({BASE_16: 0.7, LARGE_14: 0.7, LARGE_336: 0.6} | {BASE_32: of_32}, spread)
    outcome = rules.base_32_is_best(panels)
    assert verdict(outcome) == expected
    assert len(outcome.evidence) == 9
    first = outcome.evidence.iloc[0]
    assert (first["model"], first["other"], first["best_of_other"]) == (BASE_32, BASE_16, 0.7)
    assert first["difference"] == pytest.approx((of_32[0] if isinstance(of_32, tuple) else of_32) - 0.7)


def test_base_32_needs_all_four_sizes_everywhere() -> None:
    panels = everywhere({BASE_16: 0.7, LARGE_14: 0.7, BASE_32: 0.8})
    assert verdict(rules.base_32_is_best(panels)) == "not testable"
    assert rules.base_32_is_best(panels).why == (
        f"Needs {LARGE_336} on tid2013, nights, things (with normalized_euclidean)."
    )
    del panels["high"]
    assert rules.base_32_is_best(panels).why == (
        f"Needs {LARGE_336} on tid2013, nights, things; {BASE_32}, {BASE_16}, {LARGE_14} on things "
        "(with normalized_euclidean)."
    )


# --- Dips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.8, 0.7, 0.5, 0.6, 0.65, 0.9), 0.15),  # the best after is lower, the projection is no layer
        ((0.6, 0.4, 0.5, 0.45, 0.7, 0.2), 0.15),  # the best before is lower; lowest at 75 %
        ((0.5, 0.55, 0.6, 0.65, 0.7, 0.8), -0.05),  # rising: no dip
    ],
)
def test_a_dip_by_hand(values: tuple[float, ...], expected: float) -> None:
    found = dip(curve(*values))
    assert found is not None
    assert found[0] == pytest.approx(expected)
    resample = curve(*values).scores[:, 17]
    by_hand = min(max(resample[:2]), resample[4]) - min(resample[2:4])
    assert found[17] == pytest.approx(by_hand)


def test_the_middle_is_from_45_to_80_percent() -> None:
    depths = np.array([44.9, 45.0, 80.0, 80.1])
    found = dip(Scored(depths, False, np.array([[0.5], [0.2], [0.3], [0.4]])))
    assert found is not None
    assert found[0] == pytest.approx(0.2)
    assert dip(Scored(depths[:3], False, np.ones((3, 1)))) is None


DIP, SLIGHT, RISE = (0.8, 0.8, 0.5, 0.6, 0.7, 0.9), (0.8, 0.8, 0.65, 0.7, 0.7, 0.9), (0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


@pytest.mark.parametrize(
    ("plain", "normalised", "spread", "expected"),
    [
        (DIP, SLIGHT, 0.001, "borne out"),
        (DIP, RISE, 0.001, "borne out"),
        (DIP, SLIGHT, 0.1, "not separable"),
        (SLIGHT, DIP, 0.001, "not borne out"),
        (RISE, (0.5, 0.6, 0.6, 0.7, 0.9, 0.9), 0.001, "not borne out"),
    ],
)
def test_euclidean_dips(plain: tuple[float, ...], normalised: tuple[float, ...], spread: float, expected: str) -> None:
    curves = {("m", EUCLIDEAN): curve(*plain, spread=spread), ("m", NORMALISED): curve(*normalised, spread=spread)}
    assert verdict(rules.euclidean_dips({"low": panel("low", curves)})) == expected


def test_every_model_and_level_is_to_dip() -> None:
    def both(plain: tuple[float, ...]) -> dict[tuple[str, str], Scored]:
        return {("m", EUCLIDEAN): curve(*plain), ("m", NORMALISED): curve(*RISE)}

    panels = {"low": panel("low", both(DIP)), "high": panel("high", both(RISE))}
    outcome = rules.euclidean_dips(panels)
    assert verdict(outcome) == "not borne out"
    assert outcome.why == (
        "2 of 4 comparisons are as stated, 2 of them separably; not dip of Euclidean high m, "
        "dip of Euclidean minus dip of normalised high m (1 of these with an interval on the other side)."
    )


def test_dips_need_both_distances_and_layers_at_all_depths() -> None:
    assert verdict(rules.euclidean_dips({"low": panel("low", {("m", EUCLIDEAN): curve(*DIP)})})) == "not testable"
    shallow = {("m", name): curve(0.4, 0.5) for name in (EUCLIDEAN, NORMALISED)}
    assert verdict(rules.euclidean_dips({"low": panel("low", shallow)})) == "not testable"
    assert verdict(rules.euclidean_dips({})) == "not testable"


# --- Peaks ----------------------------------------------------------------------------------------------------------


def peaked(at: int, spread: float = 0.001, height: float = 0.8) -> Scored:
    """A curve whose best layer before the projection is the `at`-th; the projection is higher still."""
    return curve(*(height if layer == at else 0.5 for layer in range(5)), 0.9, spread=spread)


def peaks(*at: tuple[int, int, int], spread: float = 0.001) -> dict[str, LevelPanel]:
    return {
        level: panel(level, {(f"m{i}", NORMALISED): peaked(each[index], spread) for i, each in enumerate(at)})
        for index, level in enumerate(LEVELS)
    }


@pytest.mark.parametrize(
    ("at", "spread", "expected"),
    [
        ([(0, 2, 4)], 0.001, "borne out"),
        ([(0, 2, 4)], 0.3, "not separable"),
        ([(0, 2, 2)], 0.001, "not borne out"),
        ([(4, 2, 0)], 0.001, "not borne out"),
        ([(0, 2, 4), (2, 1, 3)], 0.001, "borne out"),  # in the mean, though not in the second
        ([(0, 2, 4), (4, 2, 0)], 0.001, "not borne out"),
    ],
)
def test_peaks_move_deeper(at: list[tuple[int, int, int]], spread: float, expected: str) -> None:
    outcome = rules.peak_moves_deeper(peaks(*at, spread=spread))
    assert verdict(outcome) == expected
    depths = outcome.evidence.set_index(["model", "level"])["depth"]
    for index, each in enumerate(at):
        assert [depths[f"m{index}", level] for level in LEVELS] == [DEPTHS[layer] for layer in each]


def test_models_whose_peak_moves_up_are_named() -> None:
    outcome = rules.peak_moves_deeper(peaks((0, 2, 4), (2, 1, 3)))
    assert outcome.why == (
        f"Mean depth over 2 models: {(2.5 + 50) / 2:.1f} % at low, {(50 + 25) / 2:.1f} % at middle, "
        f"{(97.5 + 75) / 2:.1f} % at high; shallower at a higher level in m1."
    )


def test_layers_that_are_not_separably_below_the_best_are_where_the_peak_may_be() -> None:
    found = peak(curve(0.5, 0.79, 0.8, 0.795, 0.5, 0.9, spread=0.02), panel("low", {}))
    assert found == {"depth": 50.0, "shallowest": 25.0, "deepest": 75.0}
    found = peak(curve(0.5, 0.79, 0.8, 0.795, 0.5, 0.9, spread=0.0001), panel("low", {}))
    assert found == {"depth": 50.0, "shallowest": 50.0, "deepest": 50.0}


def test_a_layer_without_a_score_is_no_peak() -> None:
    scores = curve(0.5, 0.79, 0.8, 0.795, 0.5, 0.9, spread=0.0001).scores
    scores[0] = np.nan
    assert peak(Scored(DEPTHS, True, scores), panel("low", {}))["shallowest"] == 50.0


@pytest.mark.parametrize("rule", [rules.peak_moves_deeper, rules.alignment_falls])
def test_levels_are_compared_in_models_that_have_all(rule: Callable[[Mapping[str, LevelPanel]], Outcome]) -> None:
    panels = peaks((0, 2, 4))
    assert rule({level: panels[level] for level in ("low", "middle")}).holds is None
    panels["high"] = panel("high", {("another", NORMALISED): peaked(3)})
    assert rule(panels).holds is None
    assert "all three levels" in rule(panels).why


# --- Alignment falls ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("best", "spread", "expected"),
    [
        ((0.8, 0.7, 0.5), 0.001, "borne out"),
        ((0.8, 0.7, 0.5), 0.1, "not separable"),
        ((0.8, 0.7, 0.72), 0.001, "not borne out"),
        ((0.7, 0.8, 0.5), 0.001, "not borne out"),
    ],
)
def test_alignment_falls(best: tuple[float, float, float], spread: float, expected: str) -> None:
    outcome = rules.alignment_falls(everywhere({"m": best}, spread))
    assert verdict(outcome) == expected
    assert outcome.evidence["best"].tolist() == list(best)
    low, middle, high = best
    expected_above = [low, (middle - 0.5) / 0.5, (high - 1 / 3) / (2 / 3)]
    np.testing.assert_allclose(outcome.evidence["above_chance"], expected_above, rtol=1e-12)


def test_alignment_is_to_fall_in_every_model_and_other_ways_to_compare_are_said() -> None:
    panels = everywhere({"m": (0.8, 0.7, 0.5), "n": (0.6, 0.7, 0.5)})
    for level, projection in zip(LEVELS, (0.6, 0.9, 0.5), strict=True):
        panels[level].curves["m", NORMALISED].scores[-1] = projection  # type: ignore[index]
    outcome = rules.alignment_falls(panels)
    assert verdict(outcome) == "not borne out"
    assert outcome.why == (
        "It falls in 1 of 2 models; corrected for chance in 2; uncorrected, with the projection among the layers, in 0."
    )


# --- Cosine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "spread", "expected"),
    [
        (0.02, 0.0001, "borne out"),
        (-0.02, 0.0001, "borne out"),
        (0.04, 0.1, "not separable"),
        (0.06, 0.0001, "not borne out"),
    ],
)
def test_cosine_is_near_euclidean(shift: float, spread: float, expected: str) -> None:
    """The normalised distance is 0.1 away at every layer, so that the bound is 0.05."""
    plain = np.array([0.5, 0.6, 0.5, 0.4, 0.5, 0.7])
    curves = {
        ("m", name): curve(*(plain + by), spread=spread, seed=seed)
        for seed, (name, by) in enumerate({EUCLIDEAN: 0.0, COSINE: shift, NORMALISED: 0.1}.items())
    }
    outcome = rules.cosine_is_near_euclidean({"middle": panel("middle", curves)})
    assert verdict(outcome) == expected
    row = outcome.evidence.iloc[0]
    assert row["cosine_from_euclidean"] == pytest.approx(abs(shift))
    assert row["normalised_from_euclidean"] == pytest.approx(0.1)
    assert row["difference"] == pytest.approx(0.05 - abs(shift))


def test_cosine_needs_the_three_distances() -> None:
    curves = {("m", name): flat(0.5) for name in (EUCLIDEAN, COSINE)}
    assert verdict(rules.cosine_is_near_euclidean({"low": panel("low", curves)})) == "not testable"


# --- SigLIP, Chinese-CLIP, BiomedCLIP -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "spread", "expected"),
    [(0.75, 0.001, "borne out"), (0.71, 0.1, "not separable"), (0.69, 0.001, "not borne out")],
)
def test_siglip_is_above_clip_at_low(value: float, spread: float, expected: str) -> None:
    panels = everywhere({BASE_16: 0.7, SIGLIP: (value, 0.1, 0.1)}, spread)
    assert verdict(rules.siglip_is_above_clip({"low": panels["low"]})) == expected
    assert verdict(rules.siglip_is_above_clip({"high": panels["high"]})) == "not testable"


@pytest.mark.parametrize(
    ("gains", "spread", "expected"),
    [
        ((0.05, 0.0, -0.05), 0.0005, "borne out"),
        ((0.05, 0.008, 0.0), 0.01, "not separable"),
        ((-0.01, 0.0, 0.0), 0.0005, "not borne out"),
        ((0.05, 0.012, 0.0), 0.0005, "not borne out"),
        ((0.05, 0.0, 0.012), 0.0005, "not borne out"),
    ],
)
def test_gains_are_at_low_only(gains: tuple[float, float, float], spread: float, expected: str) -> None:
    best = {BASE_16: 0.7, BIOMED: (0.8, 0.6, 0.6)}
    panels = everywhere(best | {CHINESE: tuple(0.7 + gain for gain in gains)}, spread)  # type: ignore[dict-item]
    outcome = rules.gains_are_at_low_only(panels)
    assert verdict(outcome) == expected
    of_chinese = outcome.evidence.set_index("model").loc[CHINESE]
    np.testing.assert_allclose(of_chinese["difference"], gains, atol=1e-12)
    assert of_chinese["expected"].tolist() == ["above 0", "below 0.01", "below 0.01"]


def test_a_gain_at_the_projection_is_one() -> None:
    panels = everywhere({BASE_16: 0.7, CHINESE: (0.8, 0.6, 0.6), BIOMED: (0.8, 0.6, 0.6)})
    panels["high"] = panel(
        "high",
        {(m, NORMALISED): flat(0.7, projection=0.9 if m == CHINESE else 0.7) for m in (BASE_16, CHINESE, BIOMED)},
    )
    outcome = rules.gains_are_at_low_only(panels)
    assert verdict(outcome) == "not borne out"
    assert f"not high {CHINESE}" in outcome.why
    assert outcome.evidence.iloc[2]["difference_before_projection"] == 0.0


# --- Baselines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "baselines", "expected"),
    [
        ("low", {"ssim": 0.5, "pixels": 0.4}, "borne out"),
        ("low", {"ssim": 0.6995, "pixels": 0.4}, "not separable"),
        ("low", {"ssim": 0.71, "pixels": 0.4}, "not borne out"),
        ("high", {"ssim": 0.5, "perceptnet": 0.6}, "borne out"),
        ("high", {"ssim": 0.5, "perceptnet": 0.9}, "not borne out"),
        ("middle", {"pixels": 0.75}, "not borne out"),
        ("middle", {}, "not testable"),
    ],
)
def test_models_beat_baselines(level: str, baselines: dict[str, float], expected: str) -> None:
    curves = {("m", NORMALISED): flat(0.7), ("n", NORMALISED): flat(0.72), ("o", COSINE): flat(0.1)}
    outcome = rules.models_beat_baselines({level: panel(level, curves, baselines)})
    assert verdict(outcome) == expected
    assert len(outcome.evidence) == 2 * len(baselines)


@pytest.mark.parametrize(
    ("level", "score", "expected"),
    [
        ("low", 0.9, "borne out"),
        ("low", 0.7205, "not separable"),
        ("low", 0.71, "not borne out"),
        ("high", 0.9, "not testable"),
    ],
)
def test_perceptnet_beats_models_at_low(level: str, score: float, expected: str) -> None:
    curves = {("m", NORMALISED): flat(0.7), ("n", NORMALISED): flat(0.72), ("o", COSINE): flat(0.95)}
    panels = {level: panel(level, curves, {"ssim": 0.8, "perceptnet": score})}
    outcome = rules.perceptnet_beats_models(panels)
    assert verdict(outcome) == expected
    beaten = rules.models_beat_baselines({"low": panel("low", curves, {"ssim": 0.5, "perceptnet": score})})
    assert verdict(beaten) == "borne out"
    assert set(beaten.evidence["baseline"]) == {"ssim"}


def test_scores_that_are_not_there_leave_a_rule_untestable() -> None:
    nothing = Scored(DEPTHS, True, np.full((6, 1001), np.nan))
    panels = {"low": panel("low", {("m", NORMALISED): nothing, ("n", NORMALISED): flat(0.7)}, {"ssim": 0.5})}
    outcome = rules.models_beat_baselines(panels)
    assert verdict(outcome) == "not testable"
    assert "low m ssim" in outcome.why
