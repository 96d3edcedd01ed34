"""What the paper states, with the rule by which each statement is judged and what a verdict on it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alignbench.datasets.judgments import LEVELS
from alignbench.study.contrasts import MIDDLE
from alignbench.study.evidence import Outcome
from alignbench.study.levels import LevelPanels
from alignbench.study.rules import abstraction, baselines, distances, sizes, training
from alignbench.study.rules.needs import MARGIN


@dataclass(frozen=True)
class Statement:
    """One statement of the paper.

    Attributes:
        claim: The statement.
        rule: How it is judged here.
        judge: The rule.
        rests_on: What a verdict on it rests on beside the judgments.
        levels: The levels that it is about.
        aside: What the paper says that does not agree with it; empty if nothing.
    """

    claim: str
    rule: str
    judge: Callable[[LevelPanels], Outcome]
    rests_on: str
    levels: tuple[str, ...] = LEVELS
    aside: str = ""


_BEST = "Layers are those before the projection, with the normalised Euclidean distance; the best is the highest"
_SIZES = "Four checkpoints, one of each size; the size of the patches goes with the number of tokens."
_OPTION = "One checkpoint of each option, from different organisations, which differ in more than the option."
_MODELS = "The paper's models, one checkpoint of each; nothing says how far others would differ."
_CLOSE = f"Close means less than {MARGIN:g} apart, at each level"
_APPENDIX: Final = "The paper's text says it of all models, its appendix C of all but base-32; the appendix is judged."
_SIGMOID: Final = (
    "The paper contradicts itself: by its abstract the sigmoid helps at all levels, by its section 3.2 not at high."
)

STATEMENTS: Final = (
    Statement(
        "CLIP base-32 is the best of OpenAI's four sizes at all levels.",
        f"At each level, base-32's best layer is above that of base-16, large-14 and large-14-336. {_BEST}.",
        sizes.base_32_is_best,
        _SIZES,
    ),
    Statement(
        "CLIP large-14-336 is the worst of OpenAI's four sizes before the projection.",
        f"At each level, its best layer is below that of base-16, base-32 and large-14. {_BEST}.",
        sizes.large_336_is_worst,
        _SIZES,
        aside="At the projection it is not the worst, which is judged by itself.",
    ),
    Statement(
        "At the projection, CLIP large-14-336 is not the worst of the four.",
        "At each level, its projection is above the lowest of the other three.",
        sizes.large_336_is_not_worst_at_the_projection,
        _SIZES,
    ),
    Statement(
        "CLIP base-32 peaks around 70 % of the network at middle and high.",
        f"At middle and high, its best layer lies between {sizes.PEAK[0]:g} and {sizes.PEAK[1]:g} % depth. {_BEST}; "
        "its depth lies between those of the layers that no other one is above by interval.",
        sizes.base_32_peaks_at_70,
        "One checkpoint.",
        ("middle", "high"),
    ),
    Statement(
        "CLIP base-32 falls after its peak and rises again at the projection, at middle and high.",
        "At middle and high, its last block is below its best layer and below its projection.",
        sizes.base_32_falls_and_rises,
        "One checkpoint.",
        ("middle", "high"),
    ),
    Statement(
        "At low, CLIP base-32 stays flat after its peak and falls at the projection.",
        f"At low, its last block is less than {MARGIN:g} below its best layer, and its projection below that block.",
        sizes.base_32_is_flat_and_falls_at_low,
        "One checkpoint.",
        ("low",),
    ),
    Statement(
        "The plain Euclidean distance dips at mid-depth, the normalised distance less.",
        f"Dip: how far the lowest score between {MIDDLE[0]:g} and {MIDDLE[1]:g} % depth lies below the lower of the "
        "best before and the best after, all before the projection. At each level, for base-16, large-14 and "
        "large-14-336, the Euclidean distance dips, and so does its score minus that of the normalised distance at the "
        "same layer.",
        distances.euclidean_dips,
        "Three checkpoints; numbers are published of base-16 alone.",
        aside=_APPENDIX,
    ),
    Statement(
        "One channel, which takes the energy from mid-depth on, explains the dip of the Euclidean distance.",
        "At each level, for base-16, large-14 and large-14-336: the strongest channel's share of the mean squared "
        f"activation is larger from {MIDDLE[0]:g} % depth on than before, in the mean over layers; and over layers it "
        "goes with what the Euclidean distance loses (normalised minus Euclidean score): Pearson's correlation is "
        "above 0. The share is of all pictures and has no interval.",
        distances.one_channel_explains_the_dip,
        "Three checkpoints; channels.csv of their runs. That two things go together over layers is no proof that one "
        "makes the other.",
        aside=_APPENDIX,
    ),
    Statement(
        "The cosine distance is near the Euclidean distance.",
        "At each level and for each of OpenAI's sizes, the absolute difference of the scores of cosine and Euclidean, "
        f"in the mean over all layers, is less than {distances.NEAR:g} times that of normalised and plain Euclidean.",
        distances.cosine_is_near_euclidean,
        "Up to four checkpoints; numbers are published of base-16 alone.",
    ),
    Statement(
        "The peak moves deeper with the level of abstraction.",
        f"{_BEST}. Its mean depth over the models that have all three levels rises at both steps. Each depth lies "
        "between those of the layers that no other one is above by interval.",
        abstraction.peak_moves_deeper,
        f"{_MODELS} One data set a level, so that levels differ in pictures and task too.",
    ),
    Statement(
        "Alignment sets in deeper the higher the level of abstraction.",
        "Onset: the first layer that is halfway from pixels, the point at depth 0, to the peak before the projection. "
        "Its mean depth over the models that have all three levels rises at both steps.",
        abstraction.onset_moves_deeper,
        f"{_MODELS} One data set a level, so that levels differ in pictures and task too.",
    ),
    Statement(
        "Alignment falls with abstraction.",
        "In every model that has all three levels, the score of the best layer falls at both steps, as the paper "
        "compares them: Spearman's correlation at low, shares of choices at middle and high, not corrected for chance. "
        f"{_BEST}. Levels have different judgments, so nothing is paired. Above chance: (score - chance) / (1 - "
        "chance), with chance 0, 1/2 and 1/3.",
        abstraction.alignment_falls,
        f"{_MODELS} Scores of different kinds, one data set a level.",
    ),
    Statement(
        "SigLIP is above CLIP at the low level.",
        f"At low, SigLIP base-16's best layer is above that of CLIP base-16. {_BEST}.",
        training.siglip_is_above_clip,
        _OPTION,
        ("low",),
    ),
    Statement(
        "The sigmoid helps at all levels, most in the last layers (the paper's abstract).",
        f"At each level, SigLIP base-16 is above CLIP base-16 by its best layer and at each of the last "
        f"{training.FINAL} blocks, and its gain in these is larger, in the mean, than in the blocks before.",
        training.sigmoid_helps_everywhere,
        _OPTION,
        aside=_SIGMOID,
    ),
    Statement(
        "At high, the sigmoid does not help: CLIP is above SigLIP at the end (the paper's section 3.2).",
        f"At high, CLIP base-16 is above SigLIP base-16 at each of the last {training.FINAL} blocks and at the "
        "projection.",
        training.clip_is_above_siglip_at_high,
        _OPTION,
        ("high",),
        _SIGMOID,
    ),
    Statement(
        "At low, the projections of SigLIP and CLIP are close.",
        f"{_CLOSE}.",
        training.siglip_and_clip_project_alike,
        _OPTION,
        ("low",),
    ),
    Statement(
        "SigLIP drops in its first layer at middle.",
        "At middle, SigLIP base-16's first layer is below pixels.",
        baselines.siglip_begins_below_pixels,
        "One checkpoint.",
        ("middle",),
    ),
    Statement(
        "Chinese-CLIP and BiomedCLIP gain at the low level only.",
        "By the highest score of all layers, the projection included, with the normalised Euclidean distance, both are "
        f"above CLIP base-16 at low, and neither is above it by {training.POINT:g} or more at middle and high. (Before "
        "the projection alone the published values of both are above CLIP's at middle, by 0.010 and 0.020.)",
        training.gains_are_at_low_only,
        f"{_OPTION} Language goes with the data.",
    ),
    Statement(
        "BiomedCLIP is above CLIP in the final layers at middle and high.",
        f"At middle and high, BiomedCLIP is above CLIP base-16 at each of the last {training.FINAL} blocks before the "
        "projection.",
        training.biomed_is_above_clip_in_final_layers,
        _OPTION,
        ("middle", "high"),
        "The published values say the opposite: at middle BiomedCLIP is above at blocks 8 to 10 only.",
    ),
    Statement(
        "BiomedCLIP is close to LPIPS at middle and high.",
        f"At middle and high, its last block is close to LPIPS, the nearer variant where there are two. {_CLOSE}.",
        baselines.biomed_is_close_to_lpips,
        "One checkpoint; which variant of LPIPS was published is unknown.",
        ("middle", "high"),
    ),
    Statement(
        "The models beat the image-quality baselines, but for PerceptNet at the low level.",
        "At each level, the best layer of each model is above each baseline. PerceptNet at low is judged apart. "
        f"{_BEST}.",
        baselines.models_beat_baselines,
        f"{_MODELS} Pixels, SSIM, LPIPS and PerceptNet.",
    ),
    Statement(
        "At the low level, PerceptNet beats the models.",
        f"At low, PerceptNet is above the best layer of each model. {_BEST}.",
        baselines.perceptnet_beats_models,
        "PerceptNet was trained on ratings of such distortions.",
        ("low",),
    ),
)
