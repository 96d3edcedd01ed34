"""Paired differences of two models' scores on the same judgments: what tests and benchmarks hold the package to.

Clusters are resampled for both models at once, by the package's own resampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.statistics.bootstrap import IntervalKind, interval
from alignbench.statistics.choice_scores import Resampled
from alignbench.statistics.scores import rating_replicates


@dataclass(frozen=True)
class Difference:
    """How far one model's score lies above another's on the same judgments, with the interval of that difference."""

    value: float
    low: float
    high: float


def compare_ratings(first: Floats, second: Floats, ratings: Floats, clusters: Indices, seed: int = 0) -> Difference:
    """Paired difference of Spearman correlations; clusters are resampled for both at once.

    Args:
        first: Distances of the one, (n,).
        second: Distances of the other, (n,).
        ratings: (n,).
        clusters: Cluster of each rating, (n,).
        seed: Seed of the bootstrap.
    """
    found, kind = rating_replicates(np.stack([first, second]), ratings, clusters, seed, ("spearman",))
    return _difference(found["spearman"][:1] - found["spearman"][1:], kind)


def compare_choices(first: Floats, second: Floats, clusters: Indices, seed: int = 0) -> Difference:
    """Paired difference of shares of correct choices.

    Args:
        first: Whether the one is right, (n,), 1 or 0.
        second: Whether the other is right, (n,).
        clusters: Cluster of each judgment, (n,).
        seed: Seed of the bootstrap.
    """
    resampled = Resampled(clusters[:, None], seed)
    return _difference(resampled.replicates(resampled.mean([first - second])), resampled.kind)


def _difference(replicates: Floats, kind: IntervalKind) -> Difference:
    low, high = interval(replicates[:, 0], replicates[:, 1:], kind)
    return Difference(float(replicates[0, 0]), float(low[0]), float(high[0]))
