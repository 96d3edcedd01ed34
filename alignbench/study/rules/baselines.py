"""Rules about the paper's baselines: pixels, SSIM, LPIPS and PerceptNet."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignbench.study.contrasts import best_difference, difference, nearest
from alignbench.study.evidence import UNTESTABLE, Expectation, Outcome, judge
from alignbench.study.levels import BIOMED, NORMALISED, SIGLIP, LevelPanel, LevelPanels
from alignbench.study.rules.abstraction import PIXELS
from alignbench.study.rules.needs import MARGIN, missing

PERCEPTNET, LPIPS = "perceptnet", "lpips"


def models_beat_baselines(panels: LevelPanels) -> Outcome:
    """Every model's best layer is above every baseline, PerceptNet at low aside."""
    comparisons = [
        _beside_baseline(level, panel, model, baseline)
        for level, panel in panels.items()
        for model in panel.models(NORMALISED)
        for baseline in panel.baselines
        if (level, baseline) != ("low", PERCEPTNET)
    ]
    if not comparisons:
        needed = f"a model of the paper with {NORMALISED} and a baseline of the paper on the same data set"
        return Outcome(UNTESTABLE, f"Needs {needed}.")
    return judge(comparisons, ("level", "model", "baseline"))


def perceptnet_beats_models(panels: LevelPanels) -> Outcome:
    """At low, PerceptNet is above every model's best layer."""
    panel = panels.get("low")
    models = panel.models(NORMALISED) if panel is not None and PERCEPTNET in panel.baselines else []
    if panel is None or not models:
        return Outcome(UNTESTABLE, f"Needs {PERCEPTNET} and a model of the paper with {NORMALISED} at low.")
    return judge(
        [_beside_baseline("low", panel, model, PERCEPTNET, below=True) for model in models], ("level", "model")
    )


def _beside_baseline(level: str, panel: LevelPanel, model: str, baseline: str, below: bool = False) -> Expectation:
    curve, score = panel.curves[model, NORMALISED], panel.baselines[baseline]
    row: dict[str, Any] = {"level": level, "dataset": panel.dataset, "model": model, "baseline": baseline}
    row |= {"best": curve.best, "score_of_baseline": score[0]}
    return Expectation(row, *best_difference(panel, curve.blocks, score[None]), below)


def siglip_begins_below_pixels(panels: LevelPanels) -> Outcome:
    """At middle, SigLIP's first layer is below pixels."""
    lacking = missing(panels, (SIGLIP,), ("middle",), PIXELS)
    if lacking:
        return lacking
    panel = panels["middle"]
    first, pixels = panel.curves[SIGLIP, NORMALISED].blocks[0], panel.baselines[PIXELS]
    row = {"level": "middle", "dataset": panel.dataset, "model": SIGLIP, "layer": "layer_0"}
    row |= {"score": first[0], "score_of_pixels": pixels[0]}
    return judge([Expectation(row, *difference(panel, first, pixels), below=True)], ("level", "model"))


def biomed_is_close_to_lpips(panels: LevelPanels) -> Outcome:
    """At middle and high, BiomedCLIP's last block is close to LPIPS, the nearer of its variants."""
    levels = ("middle", "high")
    lacking = missing(panels, (BIOMED,), levels, LPIPS)
    if lacking:
        return lacking
    comparisons = []
    for level in levels:
        panel = panels[level]
        last, variants = panel.curves[BIOMED, NORMALISED].blocks[-1], panel.variants(LPIPS)
        apart = last - np.stack([panel.baselines[name] for name in variants])
        near = variants[int(np.abs(apart[:, 0]).argmin())]
        row = {"level": level, "dataset": panel.dataset, "what": "distance of BiomedCLIP from LPIPS"}
        row |= {"baseline": near, "last_block": last[0], "score_of_baseline": panel.baselines[near][0]}
        comparisons.append(Expectation(row, *nearest(panel, apart), below=True, bound=MARGIN))
    return judge(comparisons, ("what", "level"))
