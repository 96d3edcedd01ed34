"""Rows of comparisons with what holds for all that was asked at once: intervals, p-values and what could be seen.

The questions of one command are the family: each subset and distance of each two runs at each place, a whole curve
being one. Each has an interval at the level 1 - 0.05 / questions (Bonferroni, whatever depends on what); that of a
curve is a band over all its depths, that of best layers is over all that may be the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.corrected import Known, family_level
from alignbench.statistics.smallest_difference import POWER, smallest_difference
from alignbench.study.compared_curves import BEST, CURVE, band_between
from alignbench.study.comparison import ComparedDistance
from alignbench.study.places import best_difference

CORRECTED: Final = ("corrected_low", "corrected_high", "p_corrected", "corrected_smallest")


def corrected_rows(found: Sequence[ComparedDistance]) -> pd.DataFrame:
    """All rows in one table.

    Args:
        found: The subsets and distances that were asked about together.

    Returns:
        The columns of the rows, with `p` as `Known` has it, and beside them corrected_low, corrected_high,
        p_corrected, corrected_smallest, separable (the corrected interval excludes 0, and so p_corrected is below
        0.05) and questions, their number. A row without a test has no corrected numbers.
    """
    questions = sum(len({row["question"] for row in each.rows} - {""}) for each in found)
    level = family_level(questions) if questions else CONFIDENCE
    table = pd.DataFrame([row for each in found for row in _rows(each, level, questions)])
    separable = (table["corrected_low"] > 0.0) | (table["corrected_high"] < 0.0)
    return table.assign(separable=separable, questions=questions)


def _rows(found: ComparedDistance, level: float, questions: int) -> list[dict[str, Any]]:
    along = band_between(found.first, found.second, level) if _asks(found, CURVE) else None
    rows, depth = [], 0
    for row in found.rows:
        degrees = row["degrees"]
        error = row["smallest"] / smallest_difference(1.0, degrees)
        plain = Known(row["ci_low"], row["ci_high"], row["p"], error, degrees)
        if row["question"] == BEST:
            best = best_difference(found.first, found.second, level)
            values = best.ci_low, best.ci_high, row["p"], row["p"], best.smallest
        elif row["question"] == CURVE and along is not None:
            low, high, p = (float(each[depth]) for each in (along.low, along.high, along.p))
            reach = max(row["difference"] - low, high - row["difference"])
            values, depth = (low, high, plain.p, p, reach + stats.norm.ppf(POWER) * error), depth + 1
        elif row["question"]:
            values = *plain.at(level), plain.p, plain.p, smallest_difference(error, degrees, level)
        else:
            values = (np.nan,) * 5
        low, high, own, alone, smallest = values
        corrected = low, high, min(1.0, questions * alone) if alone == alone else alone, smallest
        rows.append(row | {"p": own} | dict(zip(CORRECTED, corrected, strict=True)))
    return rows


def _asks(found: ComparedDistance, question: str) -> bool:
    return any(row["question"] == question for row in found.rows)
