"""Scores of the parts of a model's output under a protocol, made as those of `alignbench run` are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from alignbench.datasets.judgments import Judgments
from alignbench.extraction.distributed import join
from alignbench.extraction.source import SourceDistances
from alignbench.interpret.components import WHOLE, OutputParts, PartCurve, split_constant
from alignbench.interpret.head_source import HeadSource
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import CellData, Session, pair_distances
from alignbench.measurement.scoring import score_cell
from alignbench.results.head_alignment import COLUMNS, NULLS

REFERENCES: Final = ("cosine", "euclidean")  # in which the whole is what `alignbench run` says of a projection


@dataclass(frozen=True)
class ProtocolData:
    """What is scored under a protocol.

    Attributes:
        cell: The model on the data set under it.
        data: What people said.
        parts: The parts of the output that the model has under it.
    """

    cell: Cell
    data: CellData
    parts: OutputParts


@dataclass(frozen=True, eq=False)
class MeasuredParts:
    """Distances of some parts of an output.

    Attributes:
        of: What they are of.
        curves: The parts.
        judgments: What people said of the pairs.
        found: The distances, (curves, pairs) by name.
    """

    of: ProtocolData
    curves: tuple[PartCurve, ...]
    judgments: Judgments
    found: SourceDistances


def measure_parts(of: ProtocolData, curves: tuple[PartCurve, ...], distances: tuple[str, ...]) -> MeasuredParts:
    """Measure the distances of some parts, each in place of a layer of `alignbench run`.

    Args:
        of: What is measured.
        curves: The parts.
        distances: Some of `HEAD_DISTANCES`.

    Raises:
        AlignbenchError: See `HeadSource.distances`.
    """
    cell = replace(of.cell, distances=distances, batch_size=1)
    evaluated, pairs = of.data.judgments.without_calibration()
    found = pair_distances(cell, of.data, HeadSource(of.parts, curves), Session(join(cell.device)))
    return MeasuredParts(of, curves, evaluated, found.of_pairs(pairs))


def score_rows(measured: MeasuredParts) -> tuple[pd.DataFrame, dict[str, str]]:
    """Score distances of parts.

    Args:
        measured: The distances.

    Returns:
        Rows with the columns of `alignment.csv`, those of nulls empty; and how intervals were made, by subset.
    """
    of = measured.of
    cell = replace(of.cell, distances=tuple(measured.found.values))
    frame, intervals = score_cell(cell, measured.judgments, measured.found, of.data.data_set.published_ceiling)
    placed = {curve.name: curve for curve in measured.curves}
    told = [placed[name] for name in frame["layer"]]
    rows = pd.DataFrame(
        {
            "kind": [curve.component.kind for curve in told],
            "layer": [curve.component.layer for curve in told],
            "head": [curve.component.head for curve in told],
            "way": [curve.way for curve in told],
            "part": frame["subset"],
            "measure": frame["metric"],
            "low": frame["ci_low"],
            "high": frame["ci_high"],
            **{name: frame[name] for name in ("level", "dataset", "distance", "protocol", "value", "n")},
            **dict.fromkeys(NULLS, np.nan),
        }
    )
    return rows[list(COLUMNS)], intervals


@dataclass(frozen=True, eq=False)
class ScoredParts:
    """The scores of the parts of an output under a protocol.

    Attributes:
        rows: With the columns of `alignment.csv`.
        intervals: How intervals were made, by subset.
        constant: What is not scored, as it is the same for every picture.
        measured: The distances of all that vary, and of the whole.
    """

    rows: pd.DataFrame
    intervals: Mapping[str, str]
    constant: tuple[PartCurve, ...]
    measured: MeasuredParts


def score_parts(of: ProtocolData, distance: str) -> ScoredParts:
    """Score every part of an output, alone and left out, and the whole.

    The whole is also scored in the distances of `alignbench run`: these rows are the projection's there.

    Args:
        of: What is scored.
        distance: See `AlignJob`.

    Raises:
        AlignbenchError: See `measure_parts`.
    """
    varying, constant = split_constant(of.parts)
    whole = PartCurve(WHOLE)
    measured = measure_parts(of, (*varying, whole), (distance,))
    rows, intervals = score_rows(measured)
    further = tuple(name for name in REFERENCES if name != distance)
    references, _ = score_rows(measure_parts(of, (whole,), further))
    return ScoredParts(pd.concat([rows, references], ignore_index=True), intervals, constant, measured)
