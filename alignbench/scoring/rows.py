"""The rows of `curve.csv`: scores by subset, distance, layer and metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alignbench.arrays import Floats
from alignbench.models.layer_names import has_one_token
from alignbench.results.layer_curve import COLUMNS
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.scores import Scoring, score
from alignbench.statistics.scores import Scores


@dataclass(frozen=True)
class Measured:
    """Distances that are scored, and what they are of.

    Attributes:
        model: The run's label.
        dataset: Name of the data set.
        level: Level of abstraction.
        protocol: Name of the protocol.
        tokens: Token view.
        layers: Names of the layers.
        depths: Depths of the layers in percent.
        distances: By name, (layers, pairs).
    """

    model: str
    dataset: str
    level: str
    protocol: str
    tokens: str
    layers: Sequence[str]
    depths: Sequence[float]
    distances: Mapping[str, Floats]


def score_rows(measured: Measured, parts: Iterable[JudgedPart], how: Scoring) -> tuple[pd.DataFrame, dict[str, str]]:
    """Score all subsets and parts: the rows of `curve.csv`, and the kind of interval of each subset by its name.

    Args:
        measured: What was measured.
        parts: What people said; taken one after another.
        how: By which rules, and with which seed.
    """
    # not stacked: that would be a copy
    curves = [curve for values in measured.distances.values() for curve in values]
    rows: list[dict[str, Any]] = []
    intervals: dict[str, str] = {}
    for part in parts:
        scores = score(part, curves, how)
        rows += _rows(measured, part, scores)
        if scores:
            intervals[part.name] = _interval(scores[0], len(curves))
    return pd.DataFrame(rows, columns=list(COLUMNS)), intervals


def _interval(scores: Scores, curves: int) -> str:
    """How intervals were made, and of how many curves they may be too narrow."""
    return scores.interval + (f" (floored: {scores.floored} of {curves} curves)" if scores.floored else "")


def _rows(measured: Measured, part: JudgedPart, scores: Sequence[Scores]) -> Iterator[dict[str, Any]]:
    """The rows of one subset, by distance, layer and metric."""
    places = list(zip(measured.layers, measured.depths, strict=True))
    curves = [(name, layer, depth) for name in measured.distances for layer, depth in places]
    for index, (name, layer, depth) in enumerate(curves):
        for of_metric in scores:
            yield {
                "model": measured.model,
                "dataset": measured.dataset,
                "subset": part.name,
                "level": measured.level,
                "protocol": measured.protocol,
                "tokens": "" if has_one_token(layer) else measured.tokens,
                "distance": name,
                "layer": layer,
                "depth": depth,
                "metric": of_metric.metric,
                "value": of_metric.value[index],
                "ci_low": of_metric.low[index],
                "ci_high": of_metric.high[index],
                "n": len(part.human),
                "n_clusters": of_metric.clusters,
            }
