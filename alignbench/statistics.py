"""Scores of distances against human judgments, and how certain they are.

A 95 % interval says how the score would vary with other stimuli: judgments are resampled by cluster (the reference
image of a rating, the triplet or the objects of a choice) while distances stay as they are. With 100 clusters or more
it is a percentile bootstrap; with fewer, where that one is too narrow, a jackknife t interval (on Fisher's z for
correlations).
Every score is therefore a function of cluster weights w: all ones give the score itself, counts a bootstrap resample,
and ones with a single zero a jackknife replicate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alignbench.correlations import kendall, pearson, spearman

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
IntervalKind = Literal["percentile cluster bootstrap", "cluster jackknife t", "object delta-method t", "none"]

FEWEST_FOR_BOOTSTRAP = 100
RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scores:
    """One metric for several curves (rows of distances).

    Attributes:
        metric: `spearman`, `pearson`, `kendall` or `accuracy`.
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


# ------------------------------------------------------------------------------------------------ ratings


def score_ratings(distances: Floats, ratings: Floats, clusters: Indices, seed: int = 0) -> list[Scores]:
    """Spearman, Pearson and Kendall (tau-b) correlations of minus the distance with the rating.

    Args:
        distances: (curves, n).
        ratings: (n,).
        clusters: Cluster of each rating, (n,).
        seed: Of the bootstrap.
    """
    _, clusters = np.unique(clusters, return_inverse=True)
    order = np.argsort(clusters, kind="stable")
    closeness, ratings, clusters = -distances[:, order], ratings[order], clusters[order]
    count = int(clusters[-1]) + 1
    weights, kind = _weights(count, seed)
    constant = np.ptp(closeness, axis=1) == 0.0
    found = []
    for metric, correlate in (("spearman", spearman), ("pearson", pearson), ("kendall", kendall)):
        replicates = correlate(closeness, ratings, clusters, weights)
        replicates[constant] = np.nan
        low, high = _interval(replicates[:, 0], replicates[:, 1:], kind, fisher=True)
        found.append(Scores(metric, replicates[:, 0], low, high, count, kind))
    return found


# ------------------------------------------------------------------------------------------------ choices


def correct_choices(distances: Floats, judged: Indices, chosen: Indices) -> Floats:
    """Whether the pair that people chose is strictly the closest (the paper's rule: a tie is wrong).

    Args:
        distances: (curves, pairs).
        judged: Pairs of each judgment, (n, options).
        chosen: The option that people chose, (n,).

    Returns:
        (curves, n), 1 or 0.
    """
    correct = np.empty((len(distances), len(judged)))
    for row, curve in enumerate(distances):
        options = curve[judged]
        picked = np.take_along_axis(options, chosen[:, None], axis=1)
        np.put_along_axis(options, chosen[:, None], np.inf, axis=1)
        correct[row] = picked[:, 0] < options.min(axis=1)
    return correct


def score_choices(correct: Floats, clusters: Indices, seed: int = 0) -> Scores:
    """Share of correct choices.

    Args:
        correct: (curves, n), 1 where right.
        clusters: (n, 1): the cluster of each judgment; or (n, m): the m objects of each, which are resampled as objects
            (a judgment then weighs the product of its objects' counts; the variance is its delta-method form).
        seed: Of the bootstrap.
    """
    value = correct.mean(axis=1)
    if clusters.shape[1] > 1:
        return _score_by_objects(correct, value, clusters)
    sums, sizes = _cluster_sums(correct, clusters[:, 0])
    weights, kind = _weights(len(sizes), seed)
    low, high = _interval(value, ((sums @ weights.T) / (weights @ sizes))[:, 1:], kind)
    return Scores("accuracy", value, np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0), len(sizes), kind)


def _cluster_sums(values: Floats, clusters: Indices) -> tuple[Floats, Floats]:
    """Sums of each row over each cluster, (rows, clusters), and the clusters' sizes."""
    _, cluster = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(cluster).astype(np.float64)
    return np.stack([np.bincount(cluster, row, minlength=len(sizes)) for row in values]), sizes


def _score_by_objects(correct: Floats, value: Floats, clusters: Indices) -> Scores:
    """Delta method for sums over judgments of w_i w_j w_k: each object's influence is what its judgments add."""
    _, objects = np.unique(clusters, return_inverse=True)
    objects = objects.reshape(clusters.shape)
    count = int(objects.max()) + 1
    deviation = (correct - value[:, None]) / correct.shape[1]
    influence = np.stack([sum(np.bincount(column, row, minlength=count) for column in objects.T) for row in deviation])
    error = np.sqrt((influence**2).sum(axis=1))
    if count < 2:
        return Scores("accuracy", value, np.full_like(value, np.nan), np.full_like(value, np.nan), count, "none")
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * error
    low, high = np.clip(value - reach, 0.0, 1.0), np.clip(value + reach, 0.0, 1.0)
    return Scores("accuracy", value, low, high, count, "object delta-method t")


# ---------------------------------------------------------------------------------------------- differences


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
        seed: Of the bootstrap.
    """
    _, clusters = np.unique(clusters, return_inverse=True)
    order = np.argsort(clusters, kind="stable")
    weights, kind = _weights(int(clusters.max()) + 1, seed)
    closeness = -np.stack([first, second])[:, order]
    scores = spearman(closeness, ratings[order], clusters[order], weights)
    return _difference((scores[0] - scores[1])[None], kind)


def compare_choices(first: Floats, second: Floats, clusters: Indices, seed: int = 0) -> Difference:
    """Paired difference of shares of correct choices.

    Args:
        first: Whether the one is right, (n,), 1 or 0.
        second: Whether the other is right, (n,).
        clusters: Cluster of each judgment, (n,).
        seed: Of the bootstrap.
    """
    sums, sizes = _cluster_sums((first - second)[None], clusters)
    weights, kind = _weights(len(sizes), seed)
    return _difference((sums @ weights.T) / (weights @ sizes), kind)


def _difference(replicates: Floats, kind: IntervalKind) -> Difference:
    low, high = _interval(replicates[:, 0], replicates[:, 1:], kind)
    return Difference(float(replicates[0, 0]), float(low[0]), float(high[0]))


# ---------------------------------------------------------------------------------------------- intervals


def _weights(count: int, seed: int) -> tuple[Floats, IntervalKind]:
    """Rows of cluster weights, (1 + replicates, clusters): the data themselves first."""
    whole = np.ones((1, count))
    if count < 2:
        return whole, "none"
    if count < FEWEST_FOR_BOOTSTRAP:
        return np.concatenate([whole, 1.0 - np.eye(count)]), "cluster jackknife t"
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
    return np.concatenate([whole, np.array(drawn, dtype=np.float64)]), "percentile cluster bootstrap"


def _interval(value: Floats, replicates: Floats, kind: IntervalKind, fisher: bool = False) -> tuple[Floats, Floats]:
    """Ends of the interval.

    Args:
        value: The score, (curves,).
        replicates: (curves, replicates).
        kind: How the replicates were made.
        fisher: Whether to work on Fisher's z (jackknife only).
    """
    nothing = np.full_like(value, np.nan)
    if kind == "none":
        return nothing, nothing
    if kind == "percentile cluster bootstrap":
        tails = [0.5 - CONFIDENCE / 2.0, 0.5 + CONFIDENCE / 2.0]
        low, high = np.quantile(replicates, tails, axis=1)
        return low, high
    count = replicates.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, pseudo = (np.arctanh(value), np.arctanh(replicates)) if fisher else (value, replicates)
        spread = ((pseudo - pseudo.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        reach = stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * np.sqrt((count - 1) / count * spread)
        low, high = centre - reach, centre + reach
    if fisher:
        perfect = np.isclose(replicates, value[:, None], rtol=0.0, atol=1e-12).all(axis=1)  # where z may be infinite
        return np.where(perfect, value, np.tanh(low)), np.where(perfect, value, np.tanh(high))
    return low, high
