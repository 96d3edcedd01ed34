"""One run of a study, with all that is known of it before any score is made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alignbench.arrays import Floats
from alignbench.models.cards import Card, cards
from alignbench.models.layer_names import IMAGE, is_plain
from alignbench.results.channel_shares import read_top_shares
from alignbench.results.extent import extents
from alignbench.results.judgment_table import SubsetJudgments
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.published import checkpoint_of, published_curves, published_name
from alignbench.results.run_record import RunRecord, RunSettings
from alignbench.scoring.scored_run import ScoredRun


@dataclass(frozen=True, eq=False)
class StudyRun:
    """One run of a study.

    Attributes:
        stored: Its folder, from which distances are read where they are scored.
        curve: Its scores, those of an aligned layer too; those of some distances where a study is of these alone.
        judgments: Its judgments by subset, which runs on the same ones share.
        doubled: Whether another run of the study has the same plain layers, so that these do not count again.
    """

    stored: ScoredRun
    curve: LayerCurve
    judgments: dict[str, SubsetJudgments]
    doubled: bool = False

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.stored.folder

    @property
    def record(self) -> RunRecord:
        """What its `run.json` tells."""
        return self.stored.record

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names of its layers as the model has them: findings and factors are about these."""
        return tuple(filter(is_plain, self.stored.layers))

    @cached_property
    def label(self) -> str:
        """What the model is called."""
        return self.curve.label

    @cached_property
    def model(self) -> str:
        """The label without the transform."""
        return self.curve.model

    @cached_property
    def checkpoint(self) -> str:
        """What the model would be called without a label of its own."""
        return checkpoint_of(self.curve)

    @property
    def settings(self) -> RunSettings:
        """Every setting that can change a number."""
        return self.record.settings

    @cached_property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.curve.dataset

    @cached_property
    def level(self) -> str:
        """Level of abstraction: `low`, `middle` or `high`."""
        return self.curve.level

    @cached_property
    def protocol(self) -> str:
        """`paper` or `corrected`."""
        return self.curve.protocol

    @cached_property
    def parts(self) -> dict[str, str]:
        """How much of what was published each of its subsets is of, see `extents`."""
        return extents(self.curve)

    @property
    def observers(self) -> str:
        """Who judged: `people`, or who else."""
        return self.record.observers or "people"

    @cached_property
    def distances(self) -> tuple[str, ...]:
        """Names of its distances."""
        return tuple(dict.fromkeys(self.curve.frame["distance"]))

    @cached_property
    def is_baseline(self) -> bool:
        """Whether it has one score for whole images, and no layers."""
        return self.layers == (IMAGE,)

    @cached_property
    def depths(self) -> Floats:
        """Depths of its layers in percent, (layers,)."""
        return self.stored.depths[[self.stored.layers.index(layer) for layer in self.layers]]

    @cached_property
    def top_shares(self) -> dict[str, Floats]:
        """The share of the strongest channel in each layer, by quantity; see `read_top_shares`."""
        return read_top_shares(self.folder, self.layers)

    @property
    def trained(self) -> bool:
        """Whether it is a model as its authors trained it: no baseline, no untrained twin, not transformed.

        A run with an aligned layer beside the plain ones is one by its plain layers, unless another run has these too.
        """
        transformed = bool(self.settings.transform) and not self.curve.transform
        return not (self.is_baseline or self.settings.random_init or transformed or self.doubled)

    @cached_property
    def published(self) -> str:
        """The published model that it is of; empty if it is of none, or another network of that name."""
        name = published_name(self.checkpoint)
        if name is None:
            return ""
        theirs = published_curves()
        same = set(theirs.loc[theirs["model"] == name, "layer"]) == set(self.layers)
        return name if same else ""

    @cached_property
    def card(self) -> Card | None:
        """The card of a trained model; none if it has none."""
        return cards().get(self.checkpoint, cards().get(self.published)) if self.trained else None

    @property
    def factors(self) -> dict[str, Any]:
        """The factors of the model's card and those that its run was given; empty without any."""
        return dict(self.record.factors or (self.card.factors if self.card else {}))

    def load_distances(self, names: Sequence[str], layers: Sequence[str] = ()) -> Floats:
        """Distances of some names, one after another, (names x layers, pairs), read from its folder.

        Args:
            names: Names of the distances.
            layers: Names of the layers, in this order; the plain ones if none are given.
        """
        return self.stored.distances(names, layers or self.layers)
