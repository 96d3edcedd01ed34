"""The findings of the paper as rules, and whether the runs of a study bear them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from alignbench.results.published import PAPER_SUBSETS
from alignbench.study import rules
from alignbench.study.evidence import Outcome
from alignbench.study.groups import SIGNIFICANCE
from alignbench.study.levels import LevelPanels, build_panels, published_panels
from alignbench.study.study import Study


@dataclass(frozen=True)
class Finding:
    """One statement of the paper, and how it stands.

    Attributes:
        claim: The statement.
        rule: How it is judged here.
        verdict: `borne out`, `borne out, not separable`, `not borne out` or `not testable`.
        evidence: The numbers that the verdict rests on; may be empty.
        why: One sentence: what the numbers say, or what is missing.
        published: The verdict of the same rule on the published values, which have no intervals.
    """

    claim: str
    rule: str
    verdict: str
    evidence: pd.DataFrame
    why: str
    published: str


@dataclass(frozen=True)
class _Statement:
    claim: str
    rule: str
    judge: Callable[[LevelPanels], Outcome]


_BEST = "The best layer is the highest before the projection with the normalised Euclidean distance"
_PAIRED = (
    f"taken anew in each resample; a comparison is separable if its p-value is below {SIGNIFICANCE} after "
    "Holm's correction for all comparisons of this finding, and its 95 % interval does not reach the bound."
)
_AT_ONCE = (
    "chosen on the same judgments, which raises it; intervals and p-values are therefore simultaneous over all that it "
    f"is chosen from (max-T). A comparison is separable if its p-value is below {SIGNIFICANCE} after Holm's correction "
    "for all comparisons of this finding, and its 95 % interval does not reach the bound."
)
_STATEMENTS = (
    _Statement(
        "CLIP base-32 is the best of OpenAI's four sizes at all levels.",
        "At each of the three levels, base-32's best layer is above that of base-16, large-14 and large-14-336. "
        f"{_BEST}, {_PAIRED}",
        rules.base_32_is_best,
    ),
    _Statement(
        "The plain Euclidean distance dips at mid-depth, the normalised distance less.",
        f"Dip: how far the lowest score between {rules.MIDDLE[0]:g} and {rules.MIDDLE[1]:g} % depth lies below the "
        "lower of the best before and the best after, all before the projection. At each level and for each trained "
        "model with both distances, the dip of the Euclidean distance is above 0 and above that of the normalised one. "
        f"The dip, and so the highest and lowest, is {_AT_ONCE} The difference of the two dips is {_PAIRED}",
        rules.euclidean_dips,
    ),
    _Statement(
        "The peak moves deeper with the level of abstraction.",
        f"{_BEST}. Its mean depth over the trained models that have all three levels rises from low to middle and from "
        "middle to high. It is separable if, at each step, the layers that are not separably below the best (Holm's "
        "correction over the layers of a run) end, in the mean over models, above the depth at which those of the next "
        "level begin.",
        rules.peak_moves_deeper,
    ),
    _Statement(
        "Alignment falls with abstraction.",
        "In every trained model that has all three levels, the score of the best layer falls from low to middle and "
        "from middle to high, as the paper compares them: Spearman's correlation at low, shares of choices at middle "
        f"and high, not corrected for chance. {_BEST}. The levels have different stimuli, so nothing is paired: it is "
        "separable if the 95 % intervals of neighbouring levels do not overlap. Above chance: (score - chance) / (1 - "
        "chance), with chance 0, 1/2 and 1/3.",
        rules.alignment_falls,
    ),
    _Statement(
        "The cosine distance is near the Euclidean distance.",
        "At each level and for each trained model with the three distances, the absolute difference of the scores of "
        f"cosine and Euclidean, in the mean over all layers, is less than {rules.NEAR:g} times that of normalised and "
        f"plain Euclidean: the difference is {rules.NEAR:g} times the latter minus the former, {_PAIRED}",
        rules.cosine_is_near_euclidean,
    ),
    _Statement(
        "SigLIP is above CLIP at the low level.",
        f"At low, SigLIP base-16's best layer is above that of CLIP base-16. {_BEST}, {_PAIRED}",
        rules.siglip_is_above_clip,
    ),
    _Statement(
        "Chinese-CLIP and BiomedCLIP gain at the low level only.",
        "By the highest score of all layers, the projection included, with the normalised Euclidean distance, both are "
        f"above CLIP base-16 at low, and neither is above it by {rules.POINT:g} or more at middle and high. (Before "
        "the projection alone the published values of both are above CLIP's at middle, by 0.010 and 0.020.) The "
        f"highest is {_PAIRED}",
        rules.gains_are_at_low_only,
    ),
    _Statement(
        "The models beat the image-quality baselines, but for PerceptNet at the low level.",
        "At each level, the best layer of each trained model is above each baseline. PerceptNet at low is judged "
        f"apart. {_BEST}, {_AT_ONCE}",
        rules.models_beat_baselines,
    ),
    _Statement(
        "At the low level, PerceptNet beats the models.",
        "At low, PerceptNet, which was trained on ratings of distortions, is above the best layer of each trained "
        f"model. {_BEST}, {_PAIRED}",
        rules.perceptnet_beats_models,
    ),
)


def judge_findings(study: Study) -> tuple[Finding, ...]:
    """Judge the findings of the paper, in its order, on the runs of a study and on the published values."""
    ours, theirs = build_panels(study), published_panels()
    found, condition = [], _condition(study, ours)
    for statement in _STATEMENTS:
        outcome, published = statement.judge(ours), statement.judge(theirs)
        found.append(
            Finding(
                statement.claim,
                statement.rule,
                _verdict(outcome),
                outcome.evidence,
                outcome.why if outcome.holds is None else condition + outcome.why,
                "borne out" if published.holds else "not borne out",
            )
        )
    return tuple(found)


def _condition(study: Study, panels: LevelPanels) -> str:
    """What is to be said of the runs that were judged, where it is not the paper's way or there were others."""
    protocols = {panel.protocol for panel in panels.values()}
    parts = [f"{protocol} protocol" for protocol in protocols if {run.protocol for run in study.runs} != {"paper"}]
    others = sorted({panel.observers for panel in panels.values()} - {"people"})
    datasets, parts = [panel.dataset for panel in panels.values()], parts + others
    if datasets != list(PAPER_SUBSETS) and not others:
        parts.append(f"on {', '.join(datasets)} alone")
    parts += [f"{panel.dataset}: {panel.part}" for panel in panels.values() if panel.part]
    return f"({'; '.join(parts)}) " if parts else ""


def _verdict(outcome: Outcome) -> str:
    if outcome.holds is None:
        return "not testable"
    if not outcome.holds:
        return "not borne out"
    return "borne out" if outcome.separable else "borne out, not separable"
