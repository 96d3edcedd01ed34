"""Paired differences: runs scored in the same resamples, and how far one lies above another at a place of its curve.

Each run is scored by its own protocol's rule for ties. What makes a judgment hard for both drops out of a difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.statistics.agreement import Curves, agreements
from alignbench.statistics.bootstrap import IntervalKind, interval, object_weights, p_value
from alignbench.statistics.scores import Resampled, rating_replicates

Place = tuple[Floats, str]  # scores (1 + resamples,) at a place, and the layer it is

_AT_ONCE = 1024  # judgments whose weights in all resamples are held at the same time


# ------------------------------------------------------------------------------------------------- scores


@dataclass(frozen=True)
class Judged:
    """Distances of one run, and where its judgments find theirs.

    Attributes:
        distances: Distances of pairs, (curves, pairs).
        options: Pairs of each judgment, (n, k).
        kind: `rating`, `choice` or `preference`.
        share_ties: Whether tied choices are shared, as under the corrected protocol.
    """

    distances: Curves
    options: Indices
    kind: str
    share_ties: bool


def score_together(
    runs: Iterable[Judged], human: Floats, clusters: Indices, seed: int
) -> tuple[list[Floats], IntervalKind]:
    """Scores of runs on the same judgments, in the same resamples of these.

    Args:
        runs: Their judgments in one order. Taken one after another: only what is scored is kept.
        human: What people said, (n,).
        clusters: What is resampled, (n, 1), or the objects of each judgment, (n, m).
        seed: Seed of the bootstrap.

    Returns:
        For each run (curves, 1 + resamples), the score itself first; and what the resamples are.
    """
    if clusters.shape[1] > 1:
        members, distinct = pd.factorize(clusters.ravel(), sort=True)
        members = members.reshape(clusters.shape)
        weights = np.stack([np.ones(len(distinct)), *object_weights(len(distinct), seed)], axis=1)
        kind: IntervalKind = "percentile object bootstrap" if len(distinct) > 1 else "none"
        return [_by_objects(run, human, members, weights) for run in runs], kind
    resampled = Resampled(clusters, seed)
    return [_by_cluster(run, human, clusters, seed, resampled) for run in runs], resampled.kind


def _by_cluster(run: Judged, human: Floats, clusters: Indices, seed: int, resampled: Resampled) -> Floats:
    if run.kind == "rating":
        rated = np.stack([curve[run.options[:, 0]] for curve in run.distances])
        return rating_replicates(rated, human, clusters[:, 0], seed, ("spearman",))[0]["spearman"]
    right = agreements(run.distances, run.options, human, run.kind, run.share_ties)
    return resampled.replicates(resampled.mean(right))


def _by_objects(run: Judged, human: Floats, members: Indices, weights: Floats) -> Floats:
    """Accuracies under resampled objects: a judgment weighs the product of its objects' counts.

    Args:
        run: Its judgments.
        human: (n,).
        members: The objects of each judgment, numbered from 0, (n, m).
        weights: Counts of each object, (objects, 1 + resamples).

    Returns:
        (curves, 1 + resamples), the accuracy itself first.
    """
    # Whole numbers are exact in single precision, which takes half the time: sums of a block are far below 2^24.
    whole = run.kind == "choice" and not run.share_ties
    weights = weights.astype(np.float32 if whole else np.float64, copy=False)
    above, below = np.zeros((len(run.distances), weights.shape[1])), np.zeros(weights.shape[1])
    for start in range(0, len(human), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        right = agreements(run.distances, run.options[block], human[block], run.kind, run.share_ties)
        weight = reduce(np.multiply, (weights[column] for column in members[block].T))
        above += np.stack(list(right)).astype(weights.dtype) @ weight
        below += weight.sum(axis=0)
    with np.errstate(invalid="ignore"):  # a resample without any judgment has no score
        return np.asarray(above / below)


# ------------------------------------------------------------------------------------------------- places


@dataclass(frozen=True)
class PairedDifference:
    """How far one run lies above another at a place.

    Attributes:
        place: The place.
        depth: Its depth in percent; not a number where it has none.
        first: Score of the first run.
        second: Score of the second run.
        first_layer: The layer of the first run at that place.
        second_layer: The layer of the second run at that place.
        difference: `first` minus `second`.
        ci_low: Lower end of the difference's interval; not a number where there is none.
        ci_high: Upper end.
        p: The difference's p-value.
    """

    place: str
    depth: float
    first: float
    second: float
    first_layer: str
    second_layer: str
    difference: float
    ci_low: float
    ci_high: float
    p: float

    def to_row(self) -> dict[str, Any]:
        """The row of a table, by column."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def paired_difference(place: str, depth: float, first: Place, second: Place, kind: IntervalKind) -> PairedDifference:
    """The difference of scores in the same resamples, with its interval and p-value.

    Args:
        place: Name of the place.
        depth: Its depth in percent; not a number where it has none.
        first: Scores of the first run there, and its layer.
        second: Scores of the second run, and its layer.
        kind: How judgments were resampled.
    """
    difference = first[0] - second[0]
    low, high = interval(difference[:1], difference[None, 1:], kind)
    return PairedDifference(
        place,
        depth,
        float(first[0][0]),
        float(second[0][0]),
        first[1],
        second[1],
        float(difference[0]),
        float(low[0]),
        float(high[0]),
        p_value(float(difference[0]), difference[1:], kind),
    )
