"""Paired differences: runs scored in the same resamples, and how far one lies above another at a place of its curve.

Each run is scored by its own protocol's rule for ties. What makes a judgment hard for both drops out of a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.resampling import IntervalKind, interval, object_weights, p_value
from alignbench.statistics import Resampled, agreement_with_preferences, correct_choices, rating_replicates

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Place = tuple[Floats, str]  # scores (1 + resamples,) at a place, and the layer it is

_HELD = 10_000_000  # weights of objects that are held at the same time


# ------------------------------------------------------------------------------------------------- scores


@dataclass(frozen=True)
class Judged:
    """Distances of one run, and where its judgments find theirs.

    Attributes:
        distances: (curves, pairs).
        options: Pairs of each judgment, (n, k).
        kind: `rating`, `choice` or `preference`.
        share_ties: Whether tied choices are shared, as under the corrected protocol.
    """

    distances: Floats
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
        seed: Of the bootstrap.

    Returns:
        For each run (curves, 1 + resamples), the score itself first; and what the resamples are.
    """
    parts, sizes, rated = [], [], False
    for run in runs:
        rated = run.kind == "rating"
        parts.append(run.distances[:, run.options[:, 0]] if rated else _agreement(run, human))
        sizes.append(len(run.distances))
    stacked = np.concatenate(parts)
    if rated:
        scores, kind = rating_replicates(stacked, human, clusters[:, 0], seed, ("spearman",))
        replicates = scores["spearman"]
    elif clusters.shape[1] > 1:
        replicates, kind = object_replicates(stacked, clusters, seed)
    else:
        resampled = Resampled(clusters, seed)
        replicates, kind = resampled.replicates((stacked, np.ones(len(human)))), resampled.kind
    return np.split(replicates, np.cumsum(sizes)[:-1]), kind


def _agreement(run: Judged, human: Floats) -> Floats:
    """How far distances agree with each choice, (curves, n), by the run's own rule for ties."""
    if run.kind == "preference":
        return agreement_with_preferences(run.distances, run.options, human)
    return correct_choices(run.distances, run.options, human.astype(np.int64), run.share_ties)


def object_replicates(correct: Floats, clusters: Indices, seed: int) -> tuple[Floats, IntervalKind]:
    """Accuracies under resampled objects: a judgment weighs the product of its objects' counts.

    Args:
        correct: (curves, n), from 0 to 1.
        clusters: The objects of each judgment, (n, m).
        seed: Of the bootstrap.

    Returns:
        (curves, 1 + resamples), the accuracy itself first; and what the resamples are.
    """
    _, members = np.unique(clusters, return_inverse=True)
    members = members.reshape(clusters.shape)
    count = int(members.max()) + 1
    drawn = np.stack(list(object_weights(count, seed)))
    found = [correct.mean(axis=1)[:, None]]
    step = max(1, _HELD // clusters.size)
    for start in range(0, len(drawn), step):
        weights = np.prod(drawn[start : start + step, members], axis=2)
        with np.errstate(invalid="ignore"):  # a resample without any judgment has no score
            found.append((correct @ weights.T) / weights.sum(axis=1))
    return np.concatenate(found, axis=1), "percentile object bootstrap" if count > 1 else "none"


# ------------------------------------------------------------------------------------------------- places


def at_projection(layers: Sequence[str], scores: Floats) -> Place:
    """The projection; the last layer of a tower without one, the only one of a baseline.

    Args:
        layers: Names of the layers of a run.
        scores: Theirs, (layers, 1 + resamples).
    """
    return scores[-1], layers[-1]


def at_best(layers: Sequence[str], scores: Floats) -> Place:
    """The highest layer before the projection in each resample, named after that of the whole; arguments as above."""
    kept = [index for index, layer in enumerate(layers) if layer != "projection"] or [0]
    some = scores[kept]
    if np.isnan(some[:, 0]).all():
        return some[0], ""
    return np.fmax.reduce(some, axis=0), layers[kept[int(np.nanargmax(some[:, 0]))]]


def difference_row(place: str, depth: float, first: Place, second: Place, kind: IntervalKind) -> dict[str, Any]:
    """A row of a table of differences, with the interval and the p-value of the paired difference."""
    difference = first[0] - second[0]
    low, high = interval(difference[:1], difference[None, 1:], kind)
    return {
        "place": place,
        "depth": depth,
        "first": first[0][0],
        "second": second[0][0],
        "first_layer": first[1],
        "second_layer": second[1],
        "difference": difference[0],
        "ci_low": low[0],
        "ci_high": high[0],
        "p": p_value(float(difference[0]), difference[1:], kind),
    }
