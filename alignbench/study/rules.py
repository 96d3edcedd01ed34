"""The rules by which the findings of the paper are judged, on the runs of a study as on the published values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.datasets.judgments import LEVELS
from alignbench.results.published import PAPER_SUBSETS
from alignbench.statistics.bootstrap import holm, interval, p_value
from alignbench.study.evidence import Comparison, Outcome, outcome
from alignbench.study.groups import SIGNIFICANCE
from alignbench.study.levels import LevelPanel, LevelPanels, Scored

BASE_16, BASE_32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"
LARGE_14, LARGE_336 = "openai/clip-vit-large-patch14", "openai/clip-vit-large-patch14-336"
SIGLIP, CHINESE = "google/siglip-base-patch16-224", "OFA-Sys/chinese-clip-vit-base-patch16"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
PERCEPTNET = "perceptnet"
NORMALISED, EUCLIDEAN, COSINE = "normalized_euclidean", "euclidean", "cosine"
MIDDLE = (45.0, 80.0)  # depths between which a dip is looked for
NEAR = 0.5  # cosine is near Euclidean if it is less than so much as far from it as the normalised distance is
POINT = 0.01  # what is below is no gain
_PAPER_SETS = dict(zip(LEVELS, PAPER_SUBSETS, strict=True))


def _missing(panels: LevelPanels, models: Sequence[str], levels: Sequence[str]) -> Outcome | None:
    """What a rule lacks that needs the normalised distance of some models at some levels; nothing if all is there."""
    lacking: dict[str, list[str]] = {}  # data sets by model
    for level in levels:
        for model in models:
            if level not in panels or (model, NORMALISED) not in panels[level].curves:
                dataset = panels[level].dataset if level in panels else _PAPER_SETS[level]
                lacking.setdefault(model, []).append(dataset)
    if not lacking:
        return None
    alike: dict[str, list[str]] = {}  # models by data sets
    for model, datasets in lacking.items():
        alike.setdefault(", ".join(datasets), []).append(model)
    needed = "; ".join(f"{', '.join(names)} on {datasets}" for datasets, names in alike.items())
    return Outcome(None, False, f"Needs {needed} (with {NORMALISED}).")


def _everywhere(panels: LevelPanels) -> list[str]:
    """The models that have scores of the normalised distance at all three levels."""
    if set(panels) != set(LEVELS):
        return []
    scored = [
        {model for model in panel.models(NORMALISED) if np.isfinite(panel.curves[model, NORMALISED].best[0])}
        for panel in panels.values()
    ]
    return [model for model in panels["low"].models(NORMALISED) if all(model in some for some in scored)]


_NEEDS_A_MODEL = Outcome(
    None, False, f"Needs a trained model with {NORMALISED} at all three levels (low, middle and high)."
)


# ------------------------------------------------------------------------------------------------- the rules


def base_32_is_best(panels: LevelPanels) -> Outcome:
    """Among OpenAI's four sizes, base-32 has the highest best layer at every level."""
    others = (BASE_16, LARGE_14, LARGE_336)
    lacking = _missing(panels, (BASE_32, *others), LEVELS)
    return lacking or outcome(
        [_better(panels[level], level, BASE_32, other) for level in LEVELS for other in others], ("level", "other")
    )


def _better(panel: LevelPanel, level: str, model: str, other: str) -> Comparison:
    one, two = (panel.curves[name, NORMALISED].best for name in (model, other))
    row = {"level": level, "dataset": panel.dataset, "model": model, "other": other, "best": one[0]}
    return Comparison(row | {"best_of_other": two[0]}, panel, one - two)


def euclidean_dips(panels: LevelPanels) -> Outcome:
    """The plain Euclidean distance dips at mid-depth, the normalised one less."""
    comparisons = []
    for level, panel in panels.items():
        for model in panel.models(EUCLIDEAN, NORMALISED):
            plain, normalised = dip(panel.curves[model, EUCLIDEAN]), dip(panel.curves[model, NORMALISED])
            if plain is None or normalised is None:
                continue
            common = {"level": level, "dataset": panel.dataset, "model": model}
            first = common | {"what": "dip of Euclidean", "dip": plain[0], "dip_normalised": normalised[0]}
            second = first | {"what": "dip of Euclidean minus dip of normalised"}
            among = sides_of_dip(panel.curves[model, EUCLIDEAN])
            comparisons += [
                Comparison(first, panel, plain, among=among),
                Comparison(second, panel, plain - normalised),
            ]
    if not comparisons:
        return Outcome(
            None, False, f"Needs a trained model with {EUCLIDEAN} and {NORMALISED}, and layers at all depths."
        )
    return outcome(comparisons, ("what", "level", "model"))


def dip(curve: Scored) -> Floats | None:
    """How far the lowest score at mid-depth lies below the lower of the best before and after, (1 + resamples,).

    Layers before the projection only; none where there is no layer before, between or after.
    """
    sides = sides_of_dip(curve)
    if not all(len(side) for side in sides):
        return None
    before, after = (np.fmax.reduce(side, axis=0) for side in sides)
    return np.asarray(np.minimum(before, after))


def sides_of_dip(curve: Scored) -> tuple[Floats, Floats]:
    """Each layer before, and each after, minus each at mid-depth: both (pairs, 1 + resamples)."""
    depth, blocks = curve.block_depths, curve.blocks
    between = blocks[(depth >= MIDDLE[0]) & (depth <= MIDDLE[1])]
    before, after = (
        (side[:, None] - between[None]).reshape(-1, blocks.shape[1])
        for side in (blocks[depth < MIDDLE[0]], blocks[depth > MIDDLE[1]])
    )
    return before, after


def peak_moves_deeper(panels: LevelPanels) -> Outcome:
    """The mean depth of the best layer rises from low to middle to high."""
    models = _everywhere(panels)
    if not models:
        return _NEEDS_A_MODEL
    rows = [
        {"model": model, "level": level, "dataset": panels[level].dataset}
        | peak(panels[level].curves[model, NORMALISED], panels[level])
        for model in models
        for level in LEVELS
    ]
    table = pd.DataFrame(rows)
    mean = table.groupby("level")[["depth", "shallowest", "deepest"]].mean().loc[list(LEVELS)]
    depth, shallow, deep = (mean[name].to_numpy() for name in ("depth", "shallowest", "deepest"))
    unordered = [m for m, some in table.groupby("model", sort=False) if not (np.diff(some["depth"]) >= 0).all()]
    why = f"Mean depth over {len(models)} model{'s' * (len(models) > 1)}: " + ", ".join(
        f"{value:.1f} % at {level}" for value, level in zip(depth, LEVELS, strict=True)
    )
    if unordered:
        why += f"; shallower at a higher level in {', '.join(unordered)}"
    return Outcome(bool((np.diff(depth) > 0).all()), bool((deep[:-1] < shallow[1:]).all()), why + ".", table)


def peak(curve: Scored, panel: LevelPanel) -> dict[str, Any]:
    """Depth of the best layer before the projection, and of the ones that are not separably worse (Holm)."""
    scores, depths = curve.blocks, curve.block_depths
    top = int(np.nanargmax(scores[:, 0]))
    found = {"depth": float(depths[top]), "shallowest": np.nan, "deepest": np.nan}
    if panel.interval == "none":
        return found
    below = scores[top] - scores
    low, _ = interval(below[:, 0], below[:, 1:], panel.interval)
    p = holm(np.array([p_value(float(row[0]), row[1:], panel.interval) for row in np.delete(below, top, axis=0)]))
    worse = ((np.insert(p, top, 1.0) < SIGNIFICANCE) & (low > 0.0)) | np.isnan(below[:, 0])
    return found | {"shallowest": float(depths[~worse].min()), "deepest": float(depths[~worse].max())}


def alignment_falls(panels: LevelPanels) -> Outcome:
    """The best score is highest at low and lowest at high, in every model."""
    models = _everywhere(panels)
    if not models:
        return _NEEDS_A_MODEL
    rows = []
    for model in models:
        for level in LEVELS:
            panel, curve = panels[level], panels[level].curves[model, NORMALISED]
            low, high = interval(curve.best[:1], curve.best[None, 1:], panel.interval, fisher=panel.rated)
            row = {"model": model, "level": level, "dataset": panel.dataset, "best": curve.best[0]}
            row |= {"ci_low": low[0], "ci_high": high[0]}
            row |= {"above_chance": (curve.best[0] - panel.chance) / (1.0 - panel.chance)}
            rows.append(row | {"with_projection": curve.highest[0]})
    table = pd.DataFrame(rows)

    def falling(upper: str, lower: str) -> list[bool]:
        """Of each model whether `upper` at a level is above `lower` at the next."""
        return [
            bool((some[upper].to_numpy()[:-1] > some[lower].to_numpy()[1:]).all())
            for _, some in table.groupby("model", sort=False)
        ]

    raw, corrected, whole = (falling(name, name) for name in ("best", "above_chance", "with_projection"))
    why = (
        f"It falls in {sum(raw)} of {len(models)} models; corrected for chance in {sum(corrected)}; uncorrected, with "
        f"the projection among the layers, in {sum(whole)}."
    )
    return Outcome(all(raw), all(falling("ci_low", "ci_high")), why, table)


def cosine_is_near_euclidean(panels: LevelPanels) -> Outcome:
    """Cosine is less than half as far from Euclidean, over layers, as the normalised distance is."""
    comparisons = []
    for level, panel in panels.items():
        for model in panel.models(COSINE, EUCLIDEAN, NORMALISED):
            cosine, plain, normalised = (panel.curves[model, name].scores for name in (COSINE, EUCLIDEAN, NORMALISED))
            near, far = np.nanmean(np.abs(cosine - plain), axis=0), np.nanmean(np.abs(normalised - plain), axis=0)
            row = {"level": level, "dataset": panel.dataset, "model": model}
            row |= {"cosine_from_euclidean": near[0], "normalised_from_euclidean": far[0]}
            comparisons.append(Comparison(row, panel, NEAR * far - near))
    if not comparisons:
        return Outcome(None, False, f"Needs a trained model with {COSINE}, {EUCLIDEAN} and {NORMALISED}.")
    return outcome(comparisons, ("level", "model"))


def siglip_is_above_clip(panels: LevelPanels) -> Outcome:
    """At low, SigLIP's best layer is above that of CLIP of the same size."""
    lacking = _missing(panels, (SIGLIP, BASE_16), ("low",))
    return lacking or outcome([_better(panels["low"], "low", SIGLIP, BASE_16)], ("level", "model"))


def gains_are_at_low_only(panels: LevelPanels) -> Outcome:
    """Chinese-CLIP and BiomedCLIP are above CLIP of the same size at low, and not by a point at middle and high."""
    lacking = _missing(panels, (BASE_16, CHINESE, BIOMED), LEVELS)
    if lacking:
        return lacking
    comparisons = []
    for model in (CHINESE, BIOMED):
        for level in LEVELS:
            panel = panels[level]
            first, second = (panel.curves[name, NORMALISED] for name in (model, BASE_16))
            row = {"level": level, "dataset": panel.dataset, "model": model, "other": BASE_16}
            row |= {"highest": first.highest[0], "highest_of_other": second.highest[0]}
            row |= {"difference_before_projection": first.best[0] - second.best[0]}
            above, bound = level == "low", 0.0 if level == "low" else POINT
            comparisons.append(Comparison(row, panel, first.highest - second.highest, not above, bound))
    return outcome(comparisons, ("level", "model"))


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
        return Outcome(None, False, f"Needs a trained model with {NORMALISED} and a baseline on the same data set.")
    return outcome(comparisons, ("level", "model", "baseline"))


def perceptnet_beats_models(panels: LevelPanels) -> Outcome:
    """At low, PerceptNet is above every model's best layer."""
    panel = panels.get("low")
    models = panel.models(NORMALISED) if panel is not None and PERCEPTNET in panel.baselines else []
    if panel is None or not models:
        return Outcome(None, False, f"Needs {PERCEPTNET} and a trained model with {NORMALISED} at low.")
    return outcome(
        [_beside_baseline("low", panel, model, PERCEPTNET, below=True) for model in models], ("level", "model")
    )


def _beside_baseline(level: str, panel: LevelPanel, model: str, baseline: str, below: bool = False) -> Comparison:
    curve, score = panel.curves[model, NORMALISED], panel.baselines[baseline]
    row = {"level": level, "dataset": panel.dataset, "model": model, "baseline": baseline}
    row |= {"best": curve.best[0], "score_of_baseline": score[0]}
    among = () if below else (curve.blocks - score,)  # below, the best layer being too high errs on the safe side
    return Comparison(row, panel, curve.best - score, below, among=among)
