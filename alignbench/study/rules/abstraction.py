"""Rules about what changes from level to level: where alignment sets in, where it peaks, and how high it comes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from alignbench.datasets.judgments import LEVELS
from alignbench.results.extent import data_set_title
from alignbench.study.contrasts import Compared, Where, mean_depth_rises, onset, peak
from alignbench.study.evidence import Expectation, Outcome, Term, judge
from alignbench.study.levels import NORMALISED, LevelPanel, LevelPanels
from alignbench.study.rules.needs import NEEDS_A_MODEL, everywhere, missing

PIXELS = "pixels"


def peak_moves_deeper(panels: LevelPanels) -> Outcome:
    """The mean depth of the best layer rises from low to middle to high."""
    models = everywhere(panels)
    if not models:
        return NEEDS_A_MODEL
    found = {
        level: [peak(panels[level], panels[level].curves[model, NORMALISED]) for model in models] for level in LEVELS
    }
    return _deeper(panels, models, found, "peak")


def onset_moves_deeper(panels: LevelPanels) -> Outcome:
    """The mean depth at which a curve is halfway from pixels to its peak rises from low to middle to high."""
    models = everywhere(panels)
    lacking = missing(panels, (), LEVELS, PIXELS) if models else NEEDS_A_MODEL
    if lacking:
        return lacking
    found = {
        level: [
            onset(panels[level], panels[level].curves[model, NORMALISED], panels[level].baselines[PIXELS])
            for model in models
        ]
        for level in LEVELS
    }
    return _deeper(panels, models, found, "onset")


def _deeper(panels: LevelPanels, models: list[str], found: dict[str, list[tuple[Term, Where]]], what: str) -> Outcome:
    """Whether a mean depth rises at both steps, and in which models it does not."""
    depth = {
        level: np.array([where(term.contrasts[..., 0], term.contrasts[..., 0])[0] for term, where in some])
        for level, some in found.items()
    }
    comparisons = []
    for lower, upper in pairwise(LEVELS):
        row = {"step": f"{lower} to {upper}", "what": f"mean depth of the {what}", "models": len(models)}
        row |= {"datasets": ", ".join(data_set_title(panels[level].dataset) for level in (lower, upper))}
        row |= {"before": depth[lower].mean(), "after": depth[upper].mean()}
        comparisons.append(Expectation(row, *mean_depth_rises(found[lower], found[upper])))
    outcome = judge(comparisons, ("step",))
    why = f"Mean depth of the {what} over {len(models)} model{'s' * (len(models) > 1)}: " + ", ".join(
        f"{depth[level].mean():.1f} % at {level}" for level in LEVELS
    )
    back = np.any([depth[upper] < depth[lower] for lower, upper in pairwise(LEVELS)], axis=0)
    if back.any():
        why += f"; shallower at a higher level in {', '.join(np.array(models)[back])}"
    each = pd.DataFrame({"model": models, **{f"depth_at_{level}": depth[level] for level in LEVELS}})
    evidence = pd.concat([outcome.evidence, each.assign(judged=False)], ignore_index=True)
    return Outcome(outcome.verdict, f"{why}. {outcome.why}", evidence)


def alignment_falls(panels: LevelPanels) -> Outcome:
    """The best score is highest at low and lowest at high, in every model."""
    models = everywhere(panels)
    if not models:
        return NEEDS_A_MODEL
    comparisons = []
    for model in models:
        for lower, upper in pairwise(LEVELS):
            row = {"model": model, "step": f"{lower} to {upper}"}
            row |= _scores("before", panels[lower], model) | _scores("after", panels[upper], model)
            comparisons.append(Expectation(row, *_fall(panels[lower], panels[upper], model)))
    outcome = judge(comparisons, ("step", "model"))
    table = outcome.evidence
    above = table["above_chance_before"] > table["above_chance_after"]
    whole = table["with_projection_before"] > table["with_projection_after"]
    raw, corrected, projected = (
        int(falls.groupby(table["model"]).all().sum()) for falls in (table["holds"], above, whole)
    )
    why = (
        f"It falls in {raw} of {len(models)} models; corrected for chance in {corrected}; uncorrected, with the "
        f"projection among the layers, in {projected}."
    )
    return Outcome(outcome.verdict, f"{why} {outcome.why}", table)


def _scores(name: str, panel: LevelPanel, model: str) -> dict[str, Any]:
    curve = panel.curves[model, NORMALISED]
    return {
        f"best_{name}": curve.best,
        f"above_chance_{name}": (curve.best - panel.chance) / (1.0 - panel.chance),
        f"with_projection_{name}": curve.highest,
    }


def _fall(lower: LevelPanel, upper: LevelPanel, model: str) -> Compared:
    """The best layer at a level minus that at the next, whose judgments are others, so that nothing is paired."""
    terms = tuple(Term(panel, panel.curves[model, NORMALISED].blocks) for panel in (lower, upper))
    return terms, lambda lows, highs: (
        float(np.fmax.reduce(lows[0]) - np.fmax.reduce(highs[1])),
        float(np.fmax.reduce(highs[0]) - np.fmax.reduce(lows[1])),
    )
