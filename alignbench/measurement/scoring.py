"""From the distances of a cell to the rows of its `curve.csv`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from alignbench.datasets.judgments import Judgments
from alignbench.measurement.cell import Cell
from alignbench.scoring.judged_part import parts_of
from alignbench.scoring.rows import Measured, score_rows
from alignbench.scoring.scores import Scoring

if TYPE_CHECKING:
    from alignbench.extraction.source import SourceDistances


def score_cell(
    cell: Cell, judgments: Judgments, found: SourceDistances, published_ceiling: float | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Score all subsets and parts: the rows of `curve.csv`, and the kind of interval of each subset by its name.

    Args:
        cell: What was measured and how.
        judgments: What people said.
        found: Distances of the judgments' pairs.
        published_ceiling: See `Scoring`.
    """
    measured = Measured(
        cell.name,
        cell.dataset,
        judgments.level,
        cell.protocol,
        cell.tokens,
        found.layers,
        found.depths,
        found.values,
    )
    return score_rows(measured, parts_of(judgments), Scoring(cell.rules, cell.seed, published_ceiling))
