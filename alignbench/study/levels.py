"""One data set a level, as findings look at it: curves of trained models and scores of baselines, with resamples.

The same form holds the runs of a study and the published values, which have no resamples, so that both are judged by
the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    def best(self) -> Floats:
        """The highest score before the projection, in each resample anew, (1 + resamples,)."""
        return np.asarray(np.fmax.reduce(self.blocks, axis=0))

    @property
    def highest(self) -> Floats:
        """The highest score of all layers, in each resample anew, (1 + resamples,)."""
        return np.asarray(np.fmax.reduce(self.scores, axis=0))

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
        rated: Whether scores are rank correlations with ratings, not shares of choices.
        chance: Score of a guess.
        interval: How judgments were resampled; `none` for published values.
        curves: Curves of trained models, by published name (or label, where nothing is published of it) and distance.
        baselines: Scores of baselines, by name, (1 + resamples,).
        part: How much of what was published they are of, where that is a part.
    """

    dataset: str
    protocol: str
    observers: str
    rated: bool
    chance: float
    interval: IntervalKind
    curves: Mapping[tuple[str, str], Scored]
    baselines: Mapping[str, Floats]
    part: str = ""

    def models(self, *distances: str) -> list[str]:
        """The models that have all of some distances."""
        names = dict.fromkeys(model for model, _ in self.curves)
        return [name for name in names if all((name, distance) in self.curves for distance in distances)]


LevelPanels = Mapping[str, LevelPanel]  # by level


def build_panels(study: Study) -> dict[str, LevelPanel]:
    """The panels of a study: at each level one data set, all by one protocol.

    People go before simulated observers, the paper's data sets and subsets before others, the protocol and way of
    measuring of most models before others, whole data and the paper's way before those on a par.
    """
    groups = [group for group in study.groups if any(run.trained for run in group.runs)]
    if any(group.runs[0].observers == "people" for group in groups):
        groups = [group for group in groups if group.runs[0].observers == "people"]
    models: dict[str, set[tuple[str, str]]] = {}
    for group in groups:
        trained = {(run.dataset, run.label) for run in group.runs if run.trained}
        models[group.condition.protocol] = models.get(group.condition.protocol, set()) | trained
    protocol = max(models, key=lambda name: (len(models[name]), name == "paper"), default="")
    found = {}
    for level in LEVELS:
        some = [group for group in groups if (group.level, group.condition.protocol) == (level, protocol)]
        if some:
            found[level] = _panel(max(some, key=_rank))
    return found


def _rank(group: Group) -> tuple[bool, bool, int, bool, int]:
    usual = zip(group.condition[2:5], ("all", "checkpoint", "fp32"), strict=True)
    return (
        group.dataset in PAPER_SUBSETS,
        group.subset == PAPER_SUBSETS.get(group.dataset),
        len({run.label for run in group.runs if run.trained}),
        not group.part,
        sum(one == other for one, other in usual),
    )


def _panel(group: Group) -> LevelPanel:
    curves: dict[tuple[str, str], Scored] = {}
    baselines: dict[str, Floats] = {}
    for (label, distance), run in group.series.items():
        scores = group.scores(label, distance)
        if run.is_baseline:
            baselines[label] = scores[0]
        elif run.trained:
            curve = Scored(run.depths, run.layers[-1] == PROJECTION, scores)
            curves.setdefault((run.published or run.model, distance), curve)
    options = group.judgments.options.shape[1]
    return LevelPanel(
        dataset=group.dataset,
        protocol=group.condition.protocol,
        observers=group.runs[0].observers,
        rated=options == 1,
        chance=0.0 if options == 1 else 1 / options,
        interval=group.interval,
        curves=curves,
        baselines=baselines,
        part=group.part,
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
    return LevelPanel(dataset, "paper", "people", dataset == "tid2013", _CHANCE[dataset], "none", curves, scores)
