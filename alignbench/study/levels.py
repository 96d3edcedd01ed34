"""One data set a level, as findings look at it: curves and baselines of the paper alone, with resamples.

The same form holds the runs of a study and the published values, which have no resamples, so that both are judged by
the same rules. No other model or metric takes part, not even in the choice of what is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.datasets.judgments import LEVELS
from alignbench.models.layer_names import IMAGE, PROJECTION
from alignbench.results.layer_curve import PRIMARY_METRICS
from alignbench.results.published import PAPER_SUBSETS, published_curves
from alignbench.statistics.bootstrap import IntervalKind
from alignbench.study.groups import Group
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

BASE_16, BASE_32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"
LARGE_14, LARGE_336 = "openai/clip-vit-large-patch14", "openai/clip-vit-large-patch14-336"
SIGLIP, CHINESE = "google/siglip-base-patch16-224", "OFA-Sys/chinese-clip-vit-base-patch16"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
PAPER_MODELS = (BASE_16, BASE_32, LARGE_14, LARGE_336, CHINESE, SIGLIP, BIOMED)
NORMALISED, EUCLIDEAN, COSINE = "normalized_euclidean", "euclidean", "cosine"
ENERGY = "mean_square"  # the quantity of `channels.csv` that findings are about
_CHANCE = {"tid2013": 0.0, "nights": 1 / 2, "things": 1 / 3}  # of the published scores


@dataclass(frozen=True, eq=False)
class Scored:
    """The curve of one model and distance.

    Attributes:
        depths: Depths of its layers in percent, (layers,).
        projection: Whether the last layer is a projection.
        scores: Scores of its layers, (layers, 1 + resamples), the score itself first.
    """

    depths: Floats
    projection: bool
    scores: Floats

    @property
    def blocks(self) -> Floats:
        """Scores of the layers before the projection, (layers, 1 + resamples)."""
        return self.scores[:-1] if self.projection and len(self.scores) > 1 else self.scores

    @property
    def best(self) -> float:
        """The highest score before the projection; not a number where there is none."""
        return float(np.fmax.reduce(self.blocks[:, 0]))

    @property
    def is_scored(self) -> bool:
        """Whether a layer before the projection has a score."""
        return bool(np.isfinite(self.blocks[:, 0]).any())

    @property
    def highest(self) -> float:
        """The highest score of all layers."""
        return float(np.fmax.reduce(self.scores[:, 0]))

    @property
    def block_depths(self) -> Floats:
        """Depths of the layers before the projection."""
        return self.depths[: len(self.blocks)]


@dataclass(frozen=True, eq=False)
class LevelPanel:
    """What is known at one level.

    Attributes:
        dataset: Name of the data set.
        protocol: Protocol by which it was measured.
        observers: Who judged.
        chance: Score of a guess.
        interval: How judgments were resampled; `none` for published values.
        curves: Curves of the paper's models, by published name and distance.
        baselines: Scores of the paper's baselines, by label, (1 + resamples,).
        part: How much of what was published they are of, where that is a part.
        sampled: How many clusters of how many judgments were resampled, in words; empty where none were.
        shares: The share of the strongest channel in the energy of each layer, (layers,), by published name; of models
            whose runs tell it.
        by_folder: Labels of runs that are taken for a published model by the name of their folder alone.
    """

    dataset: str
    protocol: str
    observers: str
    chance: float
    interval: IntervalKind
    curves: Mapping[tuple[str, str], Scored]
    baselines: Mapping[str, Floats]
    part: str = ""
    sampled: str = ""
    shares: Mapping[str, Floats] = field(default_factory=dict)
    by_folder: tuple[str, ...] = ()

    def models(self, *distances: str) -> list[str]:
        """The models that have all of some distances."""
        names = dict.fromkeys(model for model, _ in self.curves)
        return [name for name in names if all((name, distance) in self.curves for distance in distances)]

    def variants(self, baseline: str) -> list[str]:
        """The labels of a baseline: itself, or what its name is followed by, as in `lpips-alex`."""
        return [label for label in self.baselines if label.partition("-")[0] == baseline]


LevelPanels = Mapping[str, LevelPanel]  # by level


def build_panels(study: Study) -> dict[str, LevelPanel]:
    """The panels of a study: at each level one data set, all by one protocol.

    People go before simulated observers, the paper's data sets and subsets before others, the protocol and way of
    measuring of most of the paper's models before others, whole data and the paper's way before those on a par.
    """
    groups = [group for group in study.groups if any(map(_is_tower, group.runs))]
    if any(group.runs[0].observers == "people" for group in study.groups):
        groups = [group for group in groups if group.runs[0].observers == "people"]
    models: dict[str, set[tuple[str, str]]] = {}
    for group in groups:
        towers = {(run.dataset, run.published) for run in group.runs if _is_tower(run)}
        models[group.condition.protocol] = models.get(group.condition.protocol, set()) | towers
    protocol = max(models, key=lambda name: (len(models[name]), name == "paper"), default="")
    found = {}
    for level in LEVELS:
        some = [group for group in groups if (group.level, group.condition.protocol) == (level, protocol)]
        if some:
            found[level] = _panel(max(some, key=_rank))
    return found


def _is_tower(run: StudyRun) -> bool:
    """Whether a run is of one of the paper's models, as its authors trained it."""
    return run.trained and run.published in PAPER_MODELS


def _is_named(run: StudyRun) -> bool:
    """Whether a run of a published model has its name, not only a folder's that is called alike."""
    return run.checkpoint.removeprefix("open_clip:hf-hub:") == run.published


def _rank(group: Group) -> tuple[bool, bool, int, bool, int]:
    usual = zip(group.condition[2:5], ("all", "checkpoint", "fp32"), strict=True)
    return (
        group.dataset in PAPER_SUBSETS,
        group.subset == PAPER_SUBSETS.get(group.dataset),
        len({run.published for run in group.runs if _is_tower(run)}),
        not group.part,
        sum(one == other for one, other in usual),
    )


def _panel(group: Group) -> LevelPanel:
    towers: dict[tuple[str, str], tuple[str, StudyRun]] = {}  # label and run by published name and distance
    baselines: dict[str, tuple[str, StudyRun]] = {}  # distance and run by label
    for (label, distance), run in sorted(group.series.items(), key=lambda item: not _is_named(item[1])):
        if _is_tower(run):
            towers.setdefault((run.published, distance), (label, run))
        elif run.is_baseline and run.published:
            baselines.setdefault(label, (distance, run))
    series = [(label, distance) for (_, distance), (label, _) in towers.items()]
    scores = group.scores([*series, *((label, distance) for label, (distance, _) in baselines.items())])
    curves = {
        key: Scored(run.depths, run.layers[-1] == PROJECTION, own)
        for (key, (_, run)), own in zip(towers.items(), scores, strict=False)
    }
    of_energy = [(run.published, run.top_shares[ENERGY]) for _, run in towers.values() if ENERGY in run.top_shares]
    options = group.judgments.options.shape[1]
    return LevelPanel(
        dataset=group.dataset,
        protocol=group.condition.protocol,
        observers=group.runs[0].observers,
        chance=0.0 if options == 1 else 1 / options,
        interval=group.interval,
        curves=curves,
        baselines=dict(zip(baselines, (own[0] for own in scores[len(curves) :]), strict=True)),
        part=group.part,
        sampled=f"{group.clusters:,} clusters of {len(group.judgments.human):,} judgments",
        shares=dict(reversed(of_energy)),
        by_folder=tuple(dict.fromkeys(label for label, run in towers.values() if not _is_named(run))),
    )


def published_panels() -> dict[str, LevelPanel]:
    """The published values as panels."""
    table = published_curves()
    table = table[table["metric"].isin(PRIMARY_METRICS)]
    return {level: _published(table[table["level"] == level]) for level in LEVELS}


def _published(table: pd.DataFrame) -> LevelPanel:
    dataset = str(table["dataset"].iloc[0])
    towers, baselines = table[table["layer"] != IMAGE], table[table["layer"] == IMAGE]
    curves = {
        (model, distance): Scored(
            rows["depth"].to_numpy(np.float64),
            bool(rows["layer"].iloc[-1] == PROJECTION),
            rows["value"].to_numpy(np.float64)[:, None],
        )
        for (model, distance), rows in towers.groupby(["model", "distance"], sort=False)
    }
    scores = {str(row.model): np.array([row.value]) for row in baselines.itertuples()}
    return LevelPanel(dataset, "paper", "people", _CHANCE[dataset], "none", curves, scores)
