"""What a low precision changes: scores of some judgments in float32 beside the same in the precision of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from alignbench.datasets import DataSet
from alignbench.datasets.judgments import Judgments
from alignbench.extraction.progress import Listener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import columns, pair_distances
from alignbench.measurement.scoring import score_rows

if TYPE_CHECKING:
    from alignbench.extraction.distributed import Ranks
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Tower

_FEWEST: Final = 3  # judgments: a correlation needs them
_KEYS: Final = ["subset", "distance", "layer", "metric"]


def some_judgments(judgments: Judgments, pairs: int) -> Judgments:
    """So many judgments of the first subset, evenly spread over it, that they name about so many pairs.

    Args:
        judgments: All of them.
        pairs: How many pairs; three judgments are taken at least.
    """
    subset = judgments.subsets[0]
    count = min(len(subset.rows), max(_FEWEST, pairs // judgments.judged.shape[1]))
    chosen = np.zeros(len(subset.rows), dtype=bool)
    chosen[np.linspace(0, len(subset.rows) - 1, count).round().astype(np.int64)] = True
    return replace(judgments, subsets=(subset.kept(chosen),), parts=()).used()


def largest_change(exact: pd.DataFrame, low: pd.DataFrame) -> dict[str, Any]:
    """The largest difference of any score.

    Args:
        exact: Rows of `curve.csv` in float32.
        low: The same rows in the lower precision.

    Returns:
        `largest_change`, in the score's own unit, and where it is: `subset`, `distance`, `layer`, `metric`; none of
        these where no score is a number in both.
    """
    both = exact.merge(low, on=_KEYS, suffixes=("_exact", "_low"), validate="one_to_one")
    change = (both["value_low"] - both["value_exact"]).abs()
    if change.isna().all():
        return {"largest_change": None}
    worst = both.loc[change.idxmax()]
    return {"largest_change": float(change.max()), **{key: str(worst[key]) for key in _KEYS}}


def check_precision(
    cell: Cell, data_set: DataSet, judgments: Judgments, source: Tower | PairMetric, ranks: Ranks
) -> dict[str, Any]:
    """Measure some of a cell's judgments in float32 and in its own precision.

    Returns:
        `pairs` and `judgments` that were looked at, and what `largest_change` says.
    """
    with ranks.together():
        few = some_judgments(judgments, cell.check_precision)
        identities = few.images.identities()
    evaluated, pairs = few.without_calibration()
    scores = []
    for precision in ("fp32", cell.precision):
        one = replace(cell, precision=precision)
        found = pair_distances(one, data_set, few, identities, source, ranks, Listener())
        distances = {name: columns(values, pairs) for name, values in found.values.items()}
        scores.append(score_rows(one, evaluated, found.layers, found.depths, distances, data_set.published_ceiling)[0])
    return {"pairs": len(pairs), "judgments": len(evaluated.judged), **largest_change(*scores)}
