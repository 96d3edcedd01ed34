"""Rules about what models were trained with and on: SigLIP, Chinese-CLIP and BiomedCLIP beside CLIP base-16."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alignbench.datasets.judgments import LEVELS
from alignbench.study.contrasts import best_difference, difference, nearest
from alignbench.study.evidence import Expectation, Outcome, judge
from alignbench.study.levels import BASE_16, BIOMED, CHINESE, NORMALISED, SIGLIP, LevelPanel, LevelPanels
from alignbench.study.rules.needs import MARGIN, missing
from alignbench.study.rules.sizes import better

POINT = 0.01  # what is below is no gain
FINAL = 2  # so many blocks before the projection are the final layers


def siglip_is_above_clip(panels: LevelPanels) -> Outcome:
    """At low, SigLIP's best layer is above that of CLIP of the same size."""
    return missing(panels, (SIGLIP, BASE_16), ("low",)) or judge(
        [better(panels["low"], "low", SIGLIP, BASE_16)], ("level", "model")
    )


def sigmoid_helps_everywhere(panels: LevelPanels) -> Outcome:
    """At all levels SigLIP's best layer and final layers are above CLIP's, these by more than the layers before."""
    lacking = missing(panels, (SIGLIP, BASE_16), LEVELS)
    if lacking:
        return lacking
    comparisons = []
    for level in LEVELS:
        panel = panels[level]
        best = better(panel, level, SIGLIP, BASE_16)
        comparisons.append(replace(best, row=best.row | {"what": "best layer"}))
        gain = panel.curves[SIGLIP, NORMALISED].blocks - panel.curves[BASE_16, NORMALISED].blocks
        comparisons += _in_final_layers(panel, level, SIGLIP)
        row = {"level": level, "dataset": panel.dataset, "model": SIGLIP, "other": BASE_16}
        row |= {"what": "gain in the final layers minus gain before"}
        final, before = gain[-FINAL:].mean(axis=0), gain[:-FINAL].mean(axis=0)
        comparisons.append(Expectation(row, *difference(panel, final, before)))
    return judge(comparisons, ("what", "level"))


def clip_is_above_siglip_at_high(panels: LevelPanels) -> Outcome:
    """At high, CLIP is above SigLIP in the final layers and at the projection."""
    lacking = missing(panels, (SIGLIP, BASE_16), ("high",))
    if lacking:
        return lacking
    panel = panels["high"]
    return judge(
        [*_in_final_layers(panel, "high", SIGLIP, below=True), _at_projection(panel, "high", below=True)],
        ("what", "level"),
    )


def siglip_and_clip_project_alike(panels: LevelPanels) -> Outcome:
    """At low, the projections of SigLIP and CLIP are close."""
    lacking = missing(panels, (SIGLIP, BASE_16), ("low",))
    if lacking:
        return lacking
    panel = panels["low"]
    one, other = (panel.curves[model, NORMALISED].scores[-1] for model in (SIGLIP, BASE_16))
    row = {"level": "low", "dataset": panel.dataset, "what": "distance of the projections"}
    row |= {"projection_of_siglip": one[0], "projection_of_clip": other[0]}
    compared = nearest(panel, (one - other)[None])
    return judge([Expectation(row, *compared, below=True, bound=MARGIN)], ("what", "level"))


def gains_are_at_low_only(panels: LevelPanels) -> Outcome:
    """Chinese-CLIP and BiomedCLIP are above CLIP of the same size at low, and not by a point at middle and high."""
    lacking = missing(panels, (BASE_16, CHINESE, BIOMED), LEVELS)
    if lacking:
        return lacking
    comparisons = []
    for model in (CHINESE, BIOMED):
        for level in LEVELS:
            panel = panels[level]
            first, second = (panel.curves[name, NORMALISED] for name in (model, BASE_16))
            row: dict[str, Any] = {"level": level, "dataset": panel.dataset, "model": model, "other": BASE_16}
            row |= {"highest": first.highest, "highest_of_other": second.highest}
            row |= {"difference_before_projection": first.best - second.best}
            above, bound = level == "low", 0.0 if level == "low" else POINT
            compared = best_difference(panel, first.scores, second.scores)
            comparisons.append(Expectation(row, *compared, not above, bound))
    return judge(comparisons, ("level", "model"))


def biomed_is_above_clip_in_final_layers(panels: LevelPanels) -> Outcome:
    """At middle and high, BiomedCLIP is above CLIP in the final layers."""
    levels = ("middle", "high")
    return missing(panels, (BIOMED, BASE_16), levels) or judge(
        [each for level in levels for each in _in_final_layers(panels[level], level, BIOMED)], ("what", "level")
    )


def _in_final_layers(panel: LevelPanel, level: str, model: str, below: bool = False) -> list[Expectation]:
    """A model minus CLIP of the same size at each of the final layers before the projection."""
    one, other = (panel.curves[name, NORMALISED].blocks for name in (model, BASE_16))
    last = len(one) - 1
    return [
        Expectation(
            {"level": level, "dataset": panel.dataset, "model": model, "other": BASE_16, "what": f"layer_{layer}"}
            | {"score": one[layer, 0], "score_of_other": other[layer, 0]},
            *difference(panel, one[layer], other[layer]),
            below,
        )
        for layer in range(last - FINAL + 1, last + 1)
    ]


def _at_projection(panel: LevelPanel, level: str, below: bool) -> Expectation:
    one, other = (panel.curves[name, NORMALISED].scores[-1] for name in (SIGLIP, BASE_16))
    row = {"level": level, "dataset": panel.dataset, "model": SIGLIP, "other": BASE_16, "what": "projection"}
    row |= {"score": one[0], "score_of_other": other[0]}
    return Expectation(row, *difference(panel, one, other), below)
