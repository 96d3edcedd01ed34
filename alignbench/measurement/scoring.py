"""From distances per pair to the rows of `curve.csv`: which scores a kind of judgment has under a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.measurement.cell import Cell
from alignbench.models.layer_names import has_one_token
from alignbench.results.layer_curve import COLUMNS
from alignbench.statistics.agreement import Curves, agreements
from alignbench.statistics.noise_ceiling import score_with_ceiling
from alignbench.statistics.scores import RATING_METRICS, Resampled, Scores, score_choices, score_ratings


def agreement(judgments: Judgments, subset: Subset, distances: Curves, protocol: str) -> Iterator[NDArray[Any]]:
    """How far distances agree with each choice or preference of a subset, for each curve (n,), from 0 to 1.

    Args:
        judgments: What people said.
        subset: Which judgments.
        distances: (curves, pairs).
        protocol: `paper` (a tie is wrong) or `corrected` (a tie is shared); preferences always share ties.
    """
    judged, human = judgments.judged[subset.rows], judgments.human[subset.rows]
    return agreements(distances, judged, human, judgments.kind, share_ties=protocol == "corrected")


def score(
    judgments: Judgments,
    subset: Subset,
    distances: Curves,
    protocol: str = "paper",
    seed: int = 0,
    published_ceiling: float | None = None,
) -> list[Scores]:
    """Score distances against the judgments of a subset.

    Args:
        judgments: What people said.
        subset: Which judgments.
        distances: (curves, pairs).
        protocol: `paper` or `corrected`.
        seed: Of the bootstrap.
        published_ceiling: Noise ceiling of sets whose subset has no repeated judgments (corrected protocol).
    """
    judged, human = judgments.judged[subset.rows], judgments.human[subset.rows]
    if judgments.kind == "rating":
        rated = np.stack([curve[judged[:, 0]] for curve in distances])
        return score_ratings(rated, human, subset.clusters[:, 0], seed, tuple(RATING_METRICS))
    correct = agreement(judgments, subset, distances, protocol)
    if judgments.kind == "preference":
        resampled = Resampled(subset.clusters, seed)
        accuracy = resampled.score("accuracy", [resampled.mean(correct)])
        attainable = resampled.score("ceiling_attainable", [resampled.mean([np.maximum(human, 1.0 - human)])])
        return [accuracy, attainable.repeated(len(distances))]
    if protocol == "corrected":
        return score_with_ceiling(correct, judged, human.astype(np.int64), subset.clusters, published_ceiling, seed)
    return [score_choices(correct, subset.clusters, seed)]


def score_part(judgments: Judgments, part: Subset, distances: Curves, protocol: str, seed: int) -> list[Scores]:
    """The level's own score (Spearman or accuracy) of a part of the judgments; nothing where it has none."""
    if judgments.kind == "preference":
        return score(judgments, part, distances, protocol, seed)
    if judgments.kind == "choice":
        return [score_choices(agreement(judgments, part, distances, protocol), part.clusters, seed)]
    ratings = judgments.human[part.rows]
    if len(ratings) < 3 or np.ptp(ratings) == 0.0:  # as with --limit: no correlation
        return []
    rated = np.stack([curve[judgments.judged[part.rows, 0]] for curve in distances])
    return score_ratings(rated, ratings, part.clusters[:, 0], seed, ("spearman",))


def score_rows(
    cell: Cell,
    judgments: Judgments,
    layers: Sequence[str],
    depths: Sequence[float],
    distances: dict[str, Floats],
    published_ceiling: float | None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of `curve.csv`, and the kind of interval by subset.

    Args:
        cell: What was measured and how.
        judgments: What people said.
        layers: Names of the layers.
        depths: Their depths in percent.
        distances: By name, (layers, pairs).
        published_ceiling: See `score`.
    """
    rows: list[dict[str, Any]] = []
    intervals: dict[str, str] = {}
    curves = [(name, layer, depth) for name in distances for layer, depth in zip(layers, depths, strict=True)]
    every = [curve for values in distances.values() for curve in values]  # not stacked: that would be a copy
    scored = [
        (subset, score(judgments, subset, every, cell.protocol, cell.seed, published_ceiling))
        for subset in judgments.subsets
    ]
    scored += [(part, score_part(judgments, part, every, cell.protocol, cell.seed)) for part in judgments.parts]
    for subset, scores in scored:
        if scores:
            intervals[subset.name] = scores[0].interval
        for index, (name, layer, depth) in enumerate(curves):
            rows += [
                {
                    "model": cell.label,
                    "dataset": cell.dataset,
                    "subset": subset.name,
                    "level": judgments.level,
                    "protocol": cell.protocol,
                    "tokens": "" if has_one_token(layer) else cell.tokens,
                    "distance": name,
                    "layer": layer,
                    "depth": depth,
                    "metric": found.metric,
                    "value": found.value[index],
                    "ci_low": found.low[index],
                    "ci_high": found.high[index],
                    "n": len(subset.rows),
                    "n_clusters": found.clusters,
                }
                for found in scores
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), intervals
