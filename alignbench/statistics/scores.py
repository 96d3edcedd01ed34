"""Scores of distances against human judgments, each with a 95 % interval.

An interval says how the score would vary with other stimuli: judgments are resampled by cluster (the reference image of
a rating, the triplet or the objects of a choice) while distances stay as they are; see `resampling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.statistics.bootstrap import CONFIDENCE, IntervalKind, cluster_weights, interval
from alignbench.statistics.correlations import kendall, pearson, spearman
from alignbench.statistics.logistic import logistic_closeness


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
    """

    metric: str
    value: Floats
    low: Floats
    high: Floats
    clusters: int
    interval: IntervalKind

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


# ------------------------------------------------------------------------------------------------ choices


def score_choices(correct: Iterable[NDArray[Any]], clusters: Indices, seed: int = 0) -> Scores:
    """Share of correct choices.

    Args:
        correct: (n,) of each curve, 1 where right.
        clusters: (n, 1): the cluster of each judgment; or (n, m): the m objects of each, which are resampled as objects
            (a judgment then weighs the product of its objects' counts; the variance is its delta-method form).
        seed: Seed of the bootstrap.
    """
    resampled = Resampled(clusters, seed)
    return resampled.score("accuracy", [resampled.mean(correct)])


@dataclass(frozen=True)
class Ratio:
    """A ratio of sums over judgments, for several curves: the sums, and those over each cluster.

    Attributes:
        above: Numerators, (curves,); one for all curves is enough.
        below: The denominator.
        above_by_cluster: (curves, clusters).
        below_by_cluster: (clusters,).
    """

    above: Floats
    below: float
    above_by_cluster: Floats
    below_by_cluster: Floats

    @property
    def value(self) -> Floats:
        """The ratio, (curves,)."""
        return np.asarray(self.above / self.below)

    @property
    def residuals(self) -> Floats:
        """What each cluster adds to the deviation of the ratio from itself, (curves, clusters)."""
        return np.asarray((self.above_by_cluster - self.value[:, None] * self.below_by_cluster) / self.below)


class Resampled:
    """Judgments that are resampled by cluster, for scores that are functions of ratios of sums over judgments.

    Args:
        clusters: (n, 1) or (n, m), see `score_choices`.
        seed: Seed of the bootstrap.
    """

    def __init__(self, clusters: Indices, seed: int) -> None:
        members, distinct = pd.factorize(clusters.ravel(), sort=True)
        self.members: Indices = np.ascontiguousarray(members.reshape(clusters.shape).T)
        self.count = len(distinct)
        self.kind: IntervalKind = "object delta-method t" if self.count > 1 else "none"
        if clusters.shape[1] == 1:
            self.weights, self.kind = cluster_weights(self.count, seed)

    def ratio(self, numerators: Iterable[NDArray[Any]], denominator: Floats) -> Ratio:
        """A ratio of sums over judgments.

        Args:
            numerators: (n,) of each curve; one at a time is held.
            denominator: (n,).
        """
        sums = [(float(row.sum()), self._by_cluster(row)) for row in numerators]
        return Ratio(
            np.array([total for total, _ in sums]),
            float(denominator.sum()),
            np.stack([by_cluster for _, by_cluster in sums]),
            self._by_cluster(denominator),
        )

    def mean(self, values: Iterable[NDArray[Any]]) -> Ratio:
        """The mean over judgments as a ratio; `values` are (n,) of each curve."""
        return self.ratio(values, np.ones(self.members.shape[1]))

    def replicates(self, ratio: Ratio) -> Floats:
        """A ratio and its replicates, (curves, 1 + replicates); for (n, 1) clusters."""
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (ratio.above_by_cluster @ self.weights.T) / (ratio.below_by_cluster[None] @ self.weights.T)
            )

    def score(
        self,
        metric: str,
        ratios: list[Ratio],
        combine: Callable[..., Floats] = lambda ratio: ratio,
        gradient: Callable[..., tuple[Floats | float, ...]] = lambda ratio: (1.0,),
        limits: tuple[float, float] = (0.0, 1.0),
    ) -> Scores:
        """A function of ratios, with its interval.

        Args:
            metric: Its name.
            ratios: What it is a function of.
            combine: The function, of as many arrays.
            gradient: Its partial derivatives (used where objects are resampled).
            limits: The least and the most that it can be.
        """
        values = [ratio.value for ratio in ratios]
        value = combine(*values)
        if len(self.members) > 1:
            slopes = gradient(*values)
            influence = sum(
                np.asarray(slope)[..., None] * ratio.residuals for slope, ratio in zip(slopes, ratios, strict=True)
            )
            low, high = self._by_objects(value, np.asarray(influence))
        else:
            replicates = combine(*(self.replicates(ratio) for ratio in ratios))
            low, high = interval(value, replicates[:, 1:], self.kind)
        return Scores(metric, value, np.clip(low, *limits), np.clip(high, *limits), self.count, self.kind)

    def _by_cluster(self, values: NDArray[Any]) -> Floats:
        """Sums of the values of judgments over each cluster, (clusters,); those of m objects count for each."""
        return np.asarray(sum(np.bincount(column, values, minlength=self.count) for column in self.members))

    def _by_objects(self, value: Floats, influence: Floats) -> tuple[Floats, Floats]:
        """Delta method for sums over judgments of w_i w_j w_k: each object's influence is what its judgments add."""
        if self.count < 2:
            return np.full_like(value, np.nan), np.full_like(value, np.nan)
        reach = stats.t.ppf(0.5 + CONFIDENCE / 2.0, self.count - 1) * np.sqrt((influence**2).sum(axis=1))
        return value - reach, value + reach
