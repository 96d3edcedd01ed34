"""Rules about the three distances, and about the channel that is to explain where the plain Euclidean one fails.

The paper has them for OpenAI's sizes. Its text says that the Euclidean distance dips in all models, its appendix C in
all but base-32: the appendix is judged, and base-32 stands beside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.study.contrasts import MIDDLE, dip, highest
from alignbench.study.evidence import UNTESTABLE, Expectation, Outcome, judge
from alignbench.study.levels import (
    BASE_16,
    BASE_32,
    COSINE,
    EUCLIDEAN,
    LARGE_14,
    LARGE_336,
    NORMALISED,
    LevelPanel,
    LevelPanels,
    Scored,
)

NEAR = 0.5  # cosine is near Euclidean if it is less than so much as far from it as the normalised distance is
DIPPING = (BASE_16, LARGE_14, LARGE_336)


def euclidean_dips(panels: LevelPanels) -> Outcome:
    """The plain Euclidean distance dips at mid-depth, the normalised one less; base-32 is shown beside."""
    judged, beside = (
        [
            each
            for level, panel in panels.items()
            for model in panel.models(EUCLIDEAN, NORMALISED)
            if model in models
            for each in _dips(level, panel, model)
        ]
        for models in (DIPPING, (BASE_32,))
    )
    if not judged:
        needed = f"CLIP base-16, large-14 or large-14-336 with {EUCLIDEAN} and {NORMALISED}"
        return Outcome(UNTESTABLE, f"Needs {needed}, and layers at all depths.")
    outcome = judge(judged, ("what", "level", "model"), beside)
    own = [each for each in beside if each.row["what"] == _DIP]
    if own:
        where = [str(each.row["level"]) for each in own if each.value > 0.0]
        said = f"base-32, which the text includes and appendix C excepts, dips at {', '.join(where) or 'no level'}"
        outcome = Outcome(outcome.verdict, f"{outcome.why} Beside, by value: {said}.", outcome.evidence)
    return outcome


_DIP = "dip of Euclidean"


def _dips(level: str, panel: LevelPanel, model: str) -> list[Expectation]:
    plain, normalised = panel.curves[model, EUCLIDEAN], panel.curves[model, NORMALISED]
    scores = {_DIP: plain.blocks, "dip of Euclidean minus normalised": plain.blocks - normalised.blocks}
    found = []
    for what, each in scores.items():
        compared = dip(panel, plain.block_depths, each)
        if compared is not None:
            row = {"level": level, "dataset": panel.dataset, "model": model, "what": what}
            found.append(Expectation(row, *compared))
    return found


def cosine_is_near_euclidean(panels: LevelPanels) -> Outcome:
    """Cosine is less than half as far from Euclidean, over layers, as the normalised distance is."""
    comparisons = []
    for level, panel in panels.items():
        for model in panel.models(COSINE, EUCLIDEAN, NORMALISED):
            if model not in (*DIPPING, BASE_32):
                continue
            cosine, plain, normalised = (panel.curves[model, name].scores for name in (COSINE, EUCLIDEAN, NORMALISED))
            near, far = np.nanmean(np.abs(cosine - plain), axis=0), np.nanmean(np.abs(normalised - plain), axis=0)
            row = {"level": level, "dataset": panel.dataset, "model": model}
            row |= {"cosine_from_euclidean": near[0], "normalised_from_euclidean": far[0]}
            comparisons.append(Expectation(row, *highest(panel, (NEAR * far - near)[None])))
    if not comparisons:
        return Outcome(UNTESTABLE, f"Needs one of OpenAI's four sizes with {COSINE}, {EUCLIDEAN} and {NORMALISED}.")
    return judge(comparisons, ("level", "model"))


# ------------------------------------------------------------------------------------------------- the channel


def one_channel_explains_the_dip(panels: LevelPanels) -> Outcome:
    """The strongest channel's share of the energy is larger from mid-depth on, and goes with what Euclidean loses."""
    judged, beside = (
        [
            each
            for level, panel in panels.items()
            for model in panel.models(EUCLIDEAN, NORMALISED)
            if model in models and model in panel.shares
            for each in _of_channel(level, panel, model)
        ]
        for models in (DIPPING, (BASE_32,))
    )
    if not judged:
        needed = f"CLIP base-16, large-14 or large-14-336 with {EUCLIDEAN}, {NORMALISED} and channels.csv"
        return Outcome(UNTESTABLE, f"Needs {needed} in the run folder.")
    return judge(judged, ("what", "level", "model"), beside)


def _of_channel(level: str, panel: LevelPanel, model: str) -> list[Expectation]:
    plain, normalised = panel.curves[model, EUCLIDEAN], panel.curves[model, NORMALISED]
    depths, share = plain.block_depths, panel.shares[model][: len(plain.block_depths)]
    before, after = (float(share[some].mean()) for some in (depths < MIDDLE[0], depths >= MIDDLE[0]))
    row: dict[str, Any] = {"level": level, "dataset": panel.dataset, "model": model}
    row |= {"share_before": before, "share_from_mid_depth_on": after, "dip": _dip_value(panel, plain)}
    rises = np.full((1, plain.scores.shape[1]), after - before)  # of all pictures, so that nothing of it varies
    goes = correlation(share, normalised.blocks - plain.blocks)
    return [
        Expectation(row | {"what": "rise of the share"}, *highest(panel, rises)),
        Expectation(row | {"what": "correlation of share and loss"}, *highest(panel, goes[None])),
    ]


def _dip_value(panel: LevelPanel, curve: Scored) -> float:
    compared = dip(panel, curve.block_depths, curve.blocks)
    if compared is None:
        return float("nan")
    terms, ends = compared
    values = [term.contrasts[..., 0] for term in terms]
    return ends(values, values)[0]


def correlation(share: Floats, loss: Floats) -> Floats:
    """Pearson's correlation over layers, in each resample.

    Args:
        share: (layers,).
        loss: (layers, 1 + resamples).

    Returns:
        (1 + resamples,); not a number where one of the two is the same at all layers.
    """
    one, other = share - share.mean(), loss - loss.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(one @ other / np.sqrt((one**2).sum() * (other**2).sum(axis=0)))
