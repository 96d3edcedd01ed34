"""One run of a study, with all that is known of it before any score is made again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.models.cards import Card, cards
from alignbench.models.layer_names import IMAGE, is_plain, rows_of
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.published import published_curves, published_name
from alignbench.results.stored_run import SubsetJudgments


@dataclass(frozen=True, eq=False)
class StudyRun:
    """One run of a study.

    Attributes:
        folder: Where it is.
        curve: Its scores, those of an aligned layer too.
        record: `run.json`.
        layers: Names of its layers as the model has them: findings and factors are about these.
        judgments: By subset.
        doubled: Whether another run of the study has those layers, without a transform or with another.
    """

    folder: Path
    curve: LayerCurve
    record: dict[str, Any]
    layers: tuple[str, ...]
    judgments: dict[str, SubsetJudgments]
    doubled: bool = False

    @cached_property
    def label(self) -> str:
        """What the model is called."""
        return self.curve.label

    @cached_property
    def model(self) -> str:
        """The label without the transform."""
        return self.curve.model

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that can change a number."""
        return dict(self.record["settings"])

    @cached_property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.curve.frame["dataset"].iloc[0])

    @cached_property
    def level(self) -> str:
        """Level of abstraction: `low`, `middle` or `high`."""
        return str(self.curve.frame["level"].iloc[0])

    @cached_property
    def protocol(self) -> str:
        """`paper` or `corrected`."""
        return str(self.curve.frame["protocol"].iloc[0])

    @property
    def observers(self) -> str:
        """Who judged: `people`, or who else."""
        return str(self.record.get("observers", "people"))

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
        return np.asarray(rows_of(self.curve.frame.drop_duplicates("layer"), is_plain)["depth"], dtype=np.float64)

    @property
    def trained(self) -> bool:
        """Whether it is a model as its authors trained it: no baseline, no untrained twin, not transformed.

        A run that has an aligned layer beside the plain ones is one by these, unless another run has them already.
        """
        transformed = bool(self.settings.get("transform")) and not self.curve.transform
        return not (self.is_baseline or self.settings.get("random_init") or transformed or self.doubled)

    @cached_property
    def published(self) -> str:
        """The published model that it is of; empty if it is of none, or another network of that name."""
        name = published_name(self.model)
        if name is None:
            return ""
        theirs = published_curves()
        same = set(theirs.loc[theirs["model"] == name, "layer"]) == set(self.layers)
        return name if same else ""

    @cached_property
    def card(self) -> Card | None:
        """The card of a trained model; none if it has none."""
        return cards().get(self.model, cards().get(self.published)) if self.trained else None

    @property
    def factors(self) -> dict[str, Any]:
        """The factors of the model's card; empty without one."""
        return dict(self.record.get("factors") or (self.card.factors if self.card else {}))

    def read_distances(self, names: Sequence[str], layers: Sequence[str] = ()) -> Floats:
        """Distances of some names, one after another, (names x layers, pairs).

        Args:
            names: Of the distances.
            layers: Which, in this order; the plain ones if none are given.
        """
        from safetensors import safe_open

        with safe_open(self.folder / "distances.safetensors", framework="numpy") as file:
            there = json.loads(file.metadata()["layers"])
            rows = [there.index(layer) for layer in layers or self.layers]
            kept = slice(None) if rows == [*range(len(there))] else rows
            return np.concatenate([file.get_tensor(name)[kept] for name in names])
