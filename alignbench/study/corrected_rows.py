"""Rows of comparisons with what holds for all that was asked at once: intervals, p-values and what could be seen.

The questions of one command are the family: each subset and distance of each two runs at each place, a whole curve
being one; and so are the rows of one table of a report. Each has an interval at the level 1 - 0.05 / questions
(Bonferroni, whatever depends on what). That of a curve is a band over all its depths, which is widened to hold the
plain interval of each; that of best layers is over all that may be the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from alignbench.statistics.bands import Band
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.corrected import Known, family_level
from alignbench.statistics.paired import PairedDifference
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


def together(row: Mapping[str, Any], questions: int, best: PairedDifference | None = None) -> dict[str, float]:
    """What holds for the difference at a place together with all others.

    Args:
        row: The columns of `PairedDifference`.
        questions: How many questions there are.
        best: How the best layers differ at the level of the family, if the row is about these.

    Returns:
        The columns of `CORRECTED`, and `p` as `Known` has it. They always agree: the corrected interval excludes 0
        where `p_corrected` lies below 0.05. Intervals may go beyond what a score can be.
    """
    if best is not None:
        return _columns(row["p"], (best.ci_low, best.ci_high), questions * row["p"], best.smallest)
    plain, level = _known(row), family_level(questions)
    return _columns(
        plain.p, plain.at(level), questions * plain.p, smallest_difference(plain.error, plain.degrees, level)
    )


def _rows(found: ComparedDistance, level: float, questions: int) -> list[dict[str, Any]]:
    limits = found.first.scored.possible(np.array([1.0, -1.0]))
    along, depth = [row for row in found.rows if row["question"] == CURVE], 0
    ends = ([row[f"ci_{end}"] for row in along] for end in ("low", "high"))
    band = band_between(found.first, found.second, level).around(*ends) if along else None
    rows = []
    for row in found.rows:
        if row["question"] == CURVE and band is not None:
            numbers, depth = _along(row, band, depth, questions), depth + 1
        elif row["question"]:
            best = best_difference(found.first, found.second, level) if row["question"] == BEST else None
            numbers = together(row, questions, best)
        else:
            numbers = dict.fromkeys(("p", *CORRECTED), np.nan)
        rows.append(row | possible(numbers, limits))
    return rows


def possible(numbers: dict[str, float], limits: tuple[float, float]) -> dict[str, float]:
    """The columns of `together` with ends that do not go beyond the least and the most that a difference can be."""
    return numbers | {name: float(np.clip(numbers[name], *limits)) for name in CORRECTED[:2]}


def _along(row: Mapping[str, Any], band: Band, depth: int, questions: int) -> dict[str, float]:
    """The columns of a depth of a curve; p is at least that of its row alone, as the band holds its interval."""
    plain = _known(row)
    low, high, p = (float(each[depth]) for each in (band.low, band.high, band.p))
    reach = max(row["difference"] - low, high - row["difference"])
    smallest = float(reach + stats.norm.ppf(POWER) * plain.error)
    return _columns(plain.p, (low, high), float(np.fmax(questions * p, plain.p)), smallest)


def _columns(p: float, ends: tuple[float, float], corrected: float, smallest: float) -> dict[str, float]:
    return {"p": p} | dict(zip(CORRECTED, (*ends, float(np.minimum(1.0, corrected)), smallest), strict=True))


def _known(row: Mapping[str, Any]) -> Known:
    error = row["smallest"] / smallest_difference(1.0, row["degrees"])
    return Known(row["ci_low"], row["ci_high"], row["p"], error, row["degrees"])
