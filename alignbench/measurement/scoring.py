"""From distances per pair to the rows of `curve.csv`: which scores a kind of judgment has under a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.datasets.judgments import Judgments, Subset
from alignbench.distances.protocols import PAPER, Protocol
from alignbench.measurement.cell import Cell
from alignbench.models.layer_names import has_one_token
from alignbench.results.layer_curve import COLUMNS
from alignbench.statistics.agreement import Curves, agreements
from alignbench.statistics.noise_ceiling import Choices, score_with_ceiling
from alignbench.statistics.scores import RATING_METRICS, Resampled, Scores, score_choices, score_ratings

if TYPE_CHECKING:
    from alignbench.extraction.source import SourceDistances


def agreement(judgments: Judgments, subset: Subset, distances: Curves, rules: Protocol) -> Iterator[NDArray[Any]]:
    """Yield for each curve how far its distances agree with each choice or preference of a subset, (n,), from 0 to 1.

    Args:
        judgments: What people said.
        subset: Which judgments are scored.
        distances: Distances of all pairs, (curves, pairs).
        rules: Whether a tie is wrong or shared; preferences always share ties.
    """
    judged, human = judgments.judged[subset.rows], judgments.human[subset.rows]
    return agreements(distances, judged, human, judgments.kind, share_ties=rules.share_ties)


@dataclass(frozen=True)
class Scoring:
    """How judgments are scored.

    Attributes:
        rules: Rules of the protocol.
        seed: Seed of the bootstrap.
        published_ceiling: Noise ceiling of sets whose subset has no repeated judgments; used where rules ask for one.
    """

    rules: Protocol = PAPER
    seed: int = 0
    published_ceiling: float | None = None


_PLAIN: Final = Scoring()


def score(judgments: Judgments, subset: Subset, distances: Curves, how: Scoring = _PLAIN) -> list[Scores]:
    """Score distances against the judgments of a subset.

    Args:
        judgments: What people said.
        subset: Which judgments are scored.
        distances: Distances of all pairs, (curves, pairs).
        how: By which rules, and with which seed.
    """
    judged, human = judgments.judged[subset.rows], judgments.human[subset.rows]
    if judgments.kind == "rating":
        rated = np.stack([curve[judged[:, 0]] for curve in distances])
        return score_ratings(rated, human, subset.clusters[:, 0], how.seed, tuple(RATING_METRICS))
    correct = agreement(judgments, subset, distances, how.rules)
    if judgments.kind == "preference":
        resampled = Resampled(subset.clusters, how.seed)
        accuracy = resampled.score("accuracy", [resampled.mean(correct)])
        attainable = resampled.score("ceiling_attainable", [resampled.mean([np.maximum(human, 1.0 - human)])])
        return [accuracy, attainable.repeated(len(distances))]
    if how.rules.noise_ceilings:
        choices = Choices(judged, human.astype(np.int64), subset.clusters)
        return score_with_ceiling(correct, choices, how.published_ceiling, how.seed)
    return [score_choices(correct, subset.clusters, how.seed)]


def score_part(judgments: Judgments, part: Subset, distances: Curves, how: Scoring) -> list[Scores]:
    """Score a part of the judgments by the level's own metric (Spearman or accuracy); nothing where it has no score."""
    if judgments.kind == "preference":
        return score(judgments, part, distances, how)
    if judgments.kind == "choice":
        return [score_choices(agreement(judgments, part, distances, how.rules), part.clusters, how.seed)]
    ratings = judgments.human[part.rows]
    if len(ratings) < 3 or np.ptp(ratings) == 0.0:  # as with --limit: no correlation
        return []
    rated = np.stack([curve[judgments.judged[part.rows, 0]] for curve in distances])
    return score_ratings(rated, ratings, part.clusters[:, 0], how.seed, ("spearman",))


def score_rows(
    cell: Cell, judgments: Judgments, distances: SourceDistances, published_ceiling: float | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Score all subsets and parts: the rows of `curve.csv`, and the kind of interval of each subset by its name.

    Args:
        cell: What was measured and how.
        judgments: What people said.
        distances: Distances of the judgments' pairs.
        published_ceiling: See `Scoring`.
    """
    how = Scoring(cell.rules, cell.seed, published_ceiling)
    curves = [curve for values in distances.values.values() for curve in values]  # not stacked: that would be a copy
    scored = [(subset, score(judgments, subset, curves, how)) for subset in judgments.subsets]
    scored += [(part, score_part(judgments, part, curves, how)) for part in judgments.parts]
    intervals: dict[str, str] = {subset.name: scores[0].interval for subset, scores in scored if scores}
    rows = [row for subset, scores in scored for row in _rows(cell, judgments, subset, distances, scores)]
    return pd.DataFrame(rows, columns=list(COLUMNS)), intervals


def _rows(
    cell: Cell, judgments: Judgments, subset: Subset, distances: SourceDistances, scores: Sequence[Scores]
) -> Iterator[dict[str, Any]]:
    """The rows of one subset, by distance, layer and metric."""
    places = list(zip(distances.layers, distances.depths, strict=True))
    curves = [(name, layer, depth) for name in distances.values for layer, depth in places]
    for index, (name, layer, depth) in enumerate(curves):
        for of_metric in scores:
            yield {
                "model": cell.label,
                "dataset": cell.dataset,
                "subset": subset.name,
                "level": judgments.level,
                "protocol": cell.protocol,
                "tokens": "" if has_one_token(layer) else cell.tokens,
                "distance": name,
                "layer": layer,
                "depth": depth,
                "metric": of_metric.metric,
                "value": of_metric.value[index],
                "ci_low": of_metric.low[index],
                "ci_high": of_metric.high[index],
                "n": len(subset.rows),
                "n_clusters": of_metric.clusters,
            }
