"""What a low precision changes: scores of some judgments in float32 beside the same in the precision of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from alignbench.datasets.judgments import Judgments
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import CellData, Session, pair_distances
from alignbench.measurement.scoring import score_cell

if TYPE_CHECKING:
    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.source import Source

_FEWEST: Final = 3  # judgments: a correlation needs them
_KEYS: Final = ["subset", "distance", "layer", "metric"]


def some_judgments(judgments: Judgments, pairs: int) -> Judgments:
    """Choose judgments, evenly spread over the first subset, that together name about as many pairs as are wanted.

    Args:
        judgments: All judgments.
        pairs: Number of pairs that are wanted; three judgments are taken at least.
    """
    subset = judgments.subsets[0]
    count = min(len(subset.rows), max(_FEWEST, pairs // judgments.judged.shape[1]))
    chosen = np.zeros(len(subset.rows), dtype=bool)
    chosen[np.linspace(0, len(subset.rows) - 1, count).round().astype(np.int64)] = True
    return replace(judgments, subsets=(subset.kept(chosen),), parts=()).used()


def largest_change(exact: pd.DataFrame, low: pd.DataFrame) -> tuple[float | None, dict[str, str]]:
    """Find the score that a low precision changes most.

    Args:
        exact: Rows of `curve.csv` in float32.
        low: The same rows in the lower precision.

    Returns:
        The difference in the score's own unit, none where no score is a number in both; and where it is: `subset`,
        `distance`, `layer`, `metric`.
    """
    both = exact.merge(low, on=_KEYS, suffixes=("_exact", "_low"), validate="one_to_one")
    change = (both["value_low"] - both["value_exact"]).abs()
    if change.isna().all():
        return None, {}
    worst = both.loc[change.idxmax()]
    return float(change.max()), {key: str(worst[key]) for key in _KEYS}


@dataclass(frozen=True)
class PrecisionCheck:
    """What a low precision changes on some of the pairs.

    Attributes:
        pairs: How many pairs were looked at.
        judgments: How many judgments are of these.
        largest_change: The largest change of a score, in its own unit; none where no score is a number in both.
        where: The subset, distance, layer and metric of that score; empty where there is none.
    """

    pairs: int
    judgments: int
    largest_change: float | None
    where: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """What `run.json` says of it."""
        return {
            "pairs": self.pairs,
            "judgments": self.judgments,
            "largest_change": self.largest_change,
            **self.where,
        }


def check_precision(cell: Cell, data: CellData, source: Source, ranks: Ranks) -> PrecisionCheck:
    """Measure some of a cell's judgments in float32 and in its own precision.

    Args:
        cell: What is measured, with the number of pairs to look at.
        data: What it is measured on.
        source: The model.
        ranks: The processes that share the work.
    """
    with ranks.together():
        few = some_judgments(data.judgments, cell.check_precision)
        some = CellData(data.data_set, few, few.images.identities())
    evaluated, pairs = few.without_calibration()
    scores = []
    for precision in ("fp32", cell.precision):
        changed = replace(cell, precision=precision)
        distances = pair_distances(changed, some, source, Session(ranks)).of_pairs(pairs)
        scores.append(score_cell(changed, evaluated, distances, data.data_set.published_ceiling)[0])
    change, where = largest_change(*scores)
    return PrecisionCheck(len(pairs), len(evaluated.judged), change, where)
