"""Scores of distances against human judgments, each with a 95 % interval.

An interval says how the score would vary with other stimuli: judgments are resampled by cluster (the reference image of
a rating) while distances stay as they are, see `bootstrap`; pairs of pictures that share one count by `shared_objects`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.statistics.bootstrap import IntervalKind, cluster_weights, interval
from alignbench.statistics.correlations import kendall, pearson, spearman
from alignbench.statistics.logistic import logistic_closeness
from alignbench.statistics.object_variance import ObjectVariance

_PERFECT = 1e-12  # what a correlation may lack of 1 by rounding


@dataclass(frozen=True)
class Scores:
    """One metric for several curves (rows of distances).

    Attributes:
        metric: e.g. `spearman` or `accuracy`.
        value: (curves,); not a number where distances are constant.
        low: Lower end of the interval, (curves,); not a number where there is none.
        high: Upper end.
        clusters: Number of clusters.
        interval: How the interval was made.
        floored: Of how many curves the interval may be too narrow, see `ObjectVariance.floored`.
    """

    metric: str
    value: Floats
    low: Floats
    high: Floats
    clusters: int
    interval: IntervalKind
    floored: int = 0

    def repeated(self, curves: int) -> Scores:
        """The score of one curve for each of several."""
        value, low, high = (np.repeat(each, curves) for each in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)


# ------------------------------------------------------------------------------------------------ ratings


def rating_replicates(
    distances: Floats, ratings: Floats, clusters: Indices, seed: int, metrics: tuple[str, ...]
) -> tuple[dict[str, Floats], IntervalKind]:
    """Scores of ratings and their replicates.

    Args:
        distances: (curves, n).
        ratings: (n,).
        clusters: Cluster of each rating, (n,).
        seed: Seed of the bootstrap.
        metrics: Names out of `RATING_METRICS`.

    Returns:
        By metric (curves, 1 + replicates), the score itself first; and what the replicates are.
    """
    _, clusters = np.unique(clusters, return_inverse=True)
    order = np.argsort(clusters, kind="stable")
    closeness, ratings, clusters = -distances[:, order], ratings[order], clusters[order]
    weights, kind = cluster_weights(int(clusters[-1]) + 1, seed)
    constant = np.ptp(closeness, axis=1) == 0.0
    found = {}
    for metric in metrics:
        found[metric] = RATING_METRICS[metric](closeness, ratings, clusters, weights)
        found[metric][constant] = np.nan
    return found, kind


def spearman_within(closeness: Floats, ratings: Floats, clusters: Indices, weights: Floats) -> Floats:
    """Mean over clusters of the Spearman correlation within each, where it is defined; arguments as for `pearson`."""
    each = spearman(closeness, ratings, clusters, np.eye(weights.shape[1]))
    defined = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.where(defined, each, 0.0) @ weights.T) / (defined @ weights.T))


def pearson_logistic(closeness: Floats, ratings: Floats, clusters: Indices, weights: Floats) -> Floats:
    """Pearson correlation after a logistic function of 4 parameters is fitted to the ratings; arguments as `pearson`.

    The function is fitted once and kept in every replicate: at the best fit the correlation does not change to first
    order when the parameters do.
    """
    return pearson(logistic_closeness(closeness, ratings), ratings, clusters, weights)


RATING_METRICS: dict[str, Callable[[Floats, Floats, Indices, Floats], Floats]] = {
    "spearman": spearman,
    "pearson": pearson,
    "kendall": kendall,
    "spearman_within": spearman_within,
    "pearson_logistic": pearson_logistic,
}


def score_ratings(
    distances: Floats,
    ratings: Floats,
    clusters: Indices,
    seed: int = 0,
    metrics: tuple[str, ...] = ("spearman", "pearson", "kendall"),
) -> list[Scores]:
    """Agreement of minus the distance with the rating.

    Args:
        distances: (curves, n).
        ratings: (n,).
        clusters: Cluster of each rating, (n,).
        seed: Seed of the bootstrap.
        metrics: Names out of `RATING_METRICS`: correlations (tau-b for `kendall`), the mean correlation within
            clusters, and the correlation after a logistic fit.
    """
    replicates, kind = rating_replicates(distances, ratings, clusters, seed, metrics)
    count = len(np.unique(clusters))
    found = []
    for metric, values in replicates.items():
        low, high = interval(values[:, 0], values[:, 1:], kind, fisher=True)
        found.append(Scores(metric, values[:, 0], low, high, count, kind))
    return found


# ------------------------------------------------------------------------------ judgments that share objects


def correlations_with_intervals(
    metric: str, value: Floats, variance: ObjectVariance, over: tuple[int, IntervalKind]
) -> Scores:
    """Correlations with t intervals on Fisher's z.

    Args:
        metric: Which correlation.
        value: The correlations, (curves,).
        variance: What is known of their errors.
        over: The number of objects, and how intervals are made.
    """
    reach = variance.reach()
    settled = (reach == 0.0) | (np.abs(value) > 1.0 - _PERFECT)
    with np.errstate(divide="ignore", invalid="ignore"):
        z, far = np.arctanh(value), reach / (1.0 - value**2)
        low, high = (np.where(settled & np.isfinite(reach), value, np.tanh(end)) for end in (z - far, z + far))
    return Scores(metric, value, low, high, *over, int(variance.floored.sum()))
