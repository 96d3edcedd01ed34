"""Two runs on the judgments that both hold: what is read of each, and whether they may be put side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, UsageError
from alignbench.models.layer_names import split_label
from alignbench.results.judgment_table import matrix
from alignbench.results.run_record import RunSettings
from alignbench.results.stored_run import StoredRun
from alignbench.statistics.scored_together import Judged

_IDENTIFYING = {"model", "dataset", "protocol", "subset", "limit", "random_init", "seed", "data_fingerprint"}


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two runs, with all that is scored of it.

    Attributes:
        stored: Its folder.
        judgments: Its judgments, see `StoredRun.judgment_rows`.
        distances: Its distances by name, (layers, pairs).
    """

    stored: StoredRun
    judgments: pd.DataFrame
    distances: dict[str, Floats]

    def judged(self, pairs: Indices) -> Judged:
        """All its curves, one distance after another, on judgments with these pairs, (n, k)."""
        curves = [curve for values in self.distances.values() for curve in values]
        return Judged(curves, pairs, self.stored.record.kind, self.settings.protocol == "corrected")

    @property
    def label(self) -> str:
        """What the model is called."""
        return self.stored.label

    @property
    def settings(self) -> RunSettings:
        """Every setting that can change a number."""
        return self.stored.settings

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return self.stored.layers

    @property
    def depths(self) -> Floats:
        """Depths of the layers in percent."""
        return self.stored.depths


def read_side(folder: Path) -> Side:
    """Read a run folder.

    Raises:
        DataError: If it is no run folder, or was written without what a comparison needs.
    """
    stored = StoredRun(folder)
    stored.check_tells(_IDENTIFYING, "a comparison")
    judgments = stored.judgment_rows()
    stored.check_together(int(matrix(judgments["pairs"]).max()))
    return Side(stored, judgments, stored.all_distances())


def fitted_apart(first: StoredRun, second: StoredRun) -> bool:
    """Whether the channel means of two runs were fitted on different pairs."""
    fitted = [
        (run.settings.protocol, run.settings.data_fingerprint, run.settings.calibration_fingerprint)
        for run in (first, second)
    ]
    normalised = all("normalized_euclidean" in run.shapes for run in (first, second))
    return normalised and fitted[0] != fitted[1]


def check_comparable(first: Side, second: Side) -> None:
    """Refuse two runs whose differences could be of the data or of the protocol.

    Raises:
        DataError: If they are on other data.
        UsageError: If they differ in both model and protocol.
    """
    settings, others = first.settings, second.settings
    if settings.dataset != others.dataset:
        raise DataError(f"the runs are on {settings.dataset} and {others.dataset}, and share no judgments")
    if settings.protocol != others.protocol and _identify_model(first) != _identify_model(second):
        raise UsageError(
            f"the runs differ in both model ({first.label}, {second.label}) and protocol ({settings.protocol}, "
            f"{others.protocol}), so that a difference could be of either: measure both by one protocol"
        )
    names = [run.judgments["id"] for run in (first, second)]
    same_judgments = names[0].equals(names[1]) or set(names[0]) == set(names[1])
    if same_judgments and settings.data_fingerprint != others.data_fingerprint and _reads_alike(settings, others):
        raise DataError(
            f"the runs saw different data (fingerprints {settings.data_fingerprint[:8]} and "
            f"{others.data_fingerprint[:8]}): measure both on one copy"
        )


def _identify_model(run: Side) -> tuple[Any, ...]:
    settings = run.settings
    model, _ = split_label(settings.model, run.layers)
    return model, settings.random_init, settings.seed if settings.random_init else None


def _reads_alike(first: RunSettings, second: RunSettings) -> bool:
    """Whether both runs read the same subsets for the same purpose, so that their fingerprints must be equal."""
    return (first.protocol, first.subset, first.limit) == (second.protocol, second.subset, second.limit)


def shared_judgments(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Judgments of both, with the pairs of each.

    Raises:
        DataError: If what was shown or said differs.
    """
    other = second.drop_duplicates("id")[["id", "pairs", "value", "stimuli"]]
    both = first.merge(other, on="id", suffixes=("", "_second"))
    unlike = (both["stimuli"] != both["stimuli_second"]) | (both["value"] != both["value_second"])
    if unlike.any():
        raise DataError(
            f"the runs saw different data: {int(unlike.sum()):,} of {len(both):,} shared judgments (e.g. "
            f"{both.loc[unlike.idxmax(), 'id']}) differ in their images or in what people said; measure both on one "
            "copy"
        )
    return both
