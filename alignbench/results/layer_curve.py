"""The layer curve: the scores of one run, layer by layer, as they stand in `curve.csv`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alignbench.errors import DataError, unknown
from alignbench.models.layer_names import is_aligned, is_block, is_plain, select_rows, split_label

COLUMNS = (
    *("model", "dataset", "subset", "level", "protocol", "tokens", "distance", "layer", "depth", "metric"),
    *("value", "ci_low", "ci_high", "n", "n_clusters"),
)
_TEXT = ("model", "dataset", "subset", "level", "protocol", "tokens", "distance", "layer", "metric")
PRIMARY_METRICS = ("spearman", "accuracy")
_OPTIONS = {  # pairs of which a choice takes the closest
    **dict.fromkeys(("nights", "shapes-middle"), 2),
    **dict.fromkeys(("things", "levels", "shapes-high", "shapes-levels", "shapes-objects"), 3),
}
_PART = r"(?:distortion|level|votes|type)_\w+"  # subsets that break another down


def is_part(subsets: pd.Series) -> pd.Series:
    """Which names of subsets are of breakdowns by distortion, level, type or votes."""
    return subsets.str.fullmatch(_PART)


def is_simulated(dataset: str) -> bool:
    """Whether a data set's people are simulated observers."""
    return dataset.startswith("shapes-")


@dataclass(frozen=True)
class LayerCurve:
    """Scores of one model on one data set, layer by layer.

    Attributes:
        frame: One row per (subset, distance, layer, metric), with the columns of `curve.csv`; values are fractions.
        limit: How many judgments of each subset were taken at most; none for all.
        kind: `rating`, `choice` or `preference`: what judgments are; empty where nobody knows.
        checkpoint: What the model would be called without a label of its own, which is how published values know it;
            empty where that is the label.
        trained_on: What has to be said of its scores since the model was trained on such data; empty if nothing.
    """

    frame: pd.DataFrame
    limit: int | None = None
    kind: str = ""
    checkpoint: str = ""
    trained_on: str = ""

    @property
    def label(self) -> str:
        """What the model is called in tables and figures."""
        return str(self.frame["model"].iloc[0])

    @property
    def model(self) -> str:
        """The label without the transform whose aligned layer is in the curve."""
        return split_label(self.label, self.frame["layer"].unique())[0]

    @property
    def transform(self) -> str:
        """The name of the transform by which a layer is aligned; empty if none is."""
        return split_label(self.label, self.frame["layer"].unique())[1]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.frame["dataset"].iloc[0])

    @property
    def level(self) -> str:
        """Level of abstraction: `low`, `middle` or `high`."""
        return str(self.frame["level"].iloc[0])

    @property
    def protocol(self) -> str:
        """`paper` or `corrected`."""
        return str(self.frame["protocol"].iloc[0])

    @property
    def chance(self) -> float | None:
        """The score of random distances, a fraction; none where it is not known among how many pairs people chose.

        It is 0 of a rank correlation, 1/3 of the odd one out of three, and 1/2 of one of two.
        """
        if "spearman" in set(self.primary()["metric"]):
            return 0.0
        options = {"preference": 2, "choice": _OPTIONS.get(self.dataset)}.get(self.kind)
        return 1.0 / options if options else None

    @property
    def is_simulated(self) -> bool:
        """Whether its judgments are those of simulated observers, not of people."""
        return is_simulated(self.dataset)

    def main(self) -> pd.DataFrame:
        """The rows without breakdowns, which are known by their names and, for ratings, by having one metric only."""
        # by name, not by row: thousands of curves are read at once
        parts = {name for name in set(self.frame["subset"]) if re.fullmatch(_PART, name)}
        if not parts:
            return self.frame
        asked_for = self.frame.loc[self.frame["metric"] == "pearson", "subset"]
        part = self.frame["subset"].isin(parts - set(asked_for))
        return self.frame if part.all() else self.frame[~part]

    def primary(self) -> pd.DataFrame:
        """The rows of `main` with the level's own metric: Spearman for ratings, accuracy for choices."""
        rows = self.main()
        return rows[rows["metric"].isin(PRIMARY_METRICS)]

    def best(
        self, distance: str, *, projection: bool = False, aligned: bool = False, subset: str | None = None
    ) -> pd.Series[Any]:
        """The row of the highest score.

        Args:
            distance: e.g. `normalized_euclidean`.
            projection: Whether the projection competes too.
            aligned: Whether an aligned layer competes too.
            subset: Name of the subset; that of the first row if none is given.

        Raises:
            UsageError: If there is no row of that distance and subset.
            DataError: If none of them has a score.
        """
        rows = self.frame[self.frame["metric"].isin(PRIMARY_METRICS)]
        rows = rows[rows["subset"] == _known("subset", subset or rows["subset"].iloc[0], rows["subset"])]
        rows = rows[rows["distance"] == _known("distance of this curve", distance, rows["distance"])]
        own = select_rows(rows, is_plain if projection else is_block)
        own = select_rows(rows, is_plain) if own.empty else own
        rows = pd.concat([own, select_rows(rows, is_aligned)]) if aligned else own
        rows = rows.dropna(subset="value")
        if rows.empty:
            raise DataError(f"{self.label} on {self.dataset} has no score by {distance} (all distances equal?)")
        return rows.loc[rows["value"].idxmax()]


def _known(kind: str, name: str, names: pd.Series[Any]) -> str:
    """A name, if it is among those of a column."""
    if name not in set(names):
        raise unknown(kind, name, set(names))
    return name
