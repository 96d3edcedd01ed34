"""Scores of distances against human judgments, and how certain they are.

A 95 % interval says how the score would vary with other stimuli: judgments are resampled by cluster (the reference
image of a rating, the triplet or the objects of a choice) while distances stay as they are. With 100 clusters or more
it is a percentile bootstrap; with fewer, where that one is too narrow, a jackknife t interval (on Fisher's z for
correlations).
Every score is therefore a function of cluster weights w: all ones give the score itself, counts a bootstrap resample,
and ones with a single zero a jackknife replicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.sparse import coo_array

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


def pearson(x: Floats, y: Floats, clusters: Indices, weights: Floats) -> Floats:
    """Linear correlations under cluster weights.

    Args:
        x: (curves, n).
        y: (n,).
        clusters: Cluster of each judgment, (n,), ascending from 0.
        weights: (rows, clusters).

    Returns:
        (curves, rows).
    """
    starts = np.searchsorted(clusters, np.arange(weights.shape[1]))

    def total(values: Floats) -> Floats:
        """Weighted sums, (..., rows)."""
        return np.asarray(np.add.reduceat(values, starts, axis=-1) @ weights.T)

    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean()
    size = total(np.ones(len(y)))
    covariance = total(dx * dy) - total(dx) * total(dy) / size
    variance_x = total(dx * dx) - total(dx) ** 2 / size
    variance_y = total(dy * dy) - total(dy) ** 2 / size
    return _ratio(covariance, variance_x * variance_y)


def spearman(x: Floats, y: Floats, clusters: Indices, weights: Floats) -> Floats:
    """Rank correlations (average ranks) under cluster weights; arguments and result as for `pearson`."""
    w = weights[:, clusters]
    middle = (w.sum(axis=1, keepdims=True) + 1.0) / 2.0
    ranks_y = weighted_ranks(y, w) - middle
    weighted_y = w * ranks_y
    variance_y = np.einsum("bn,bn->b", weighted_y, ranks_y)
    rows = []
    for values in x:
        ranks_x = weighted_ranks(values, w) - middle
        variance_x = np.einsum("bn,bn,bn->b", w, ranks_x, ranks_x)
        rows.append(_ratio(np.einsum("bn,bn->b", weighted_y, ranks_x), variance_x * variance_y))
    return np.stack(rows)


def weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """Average ranks of values that occur with some multiplicity.

    Args:
        values: (n,).
        weights: Multiplicities, (rows, n).

    Returns:
        For each row of weights the rank of each value, (rows, n): alone, cumsum(w) - w/2 + 1/2 in sorted order.
    """
    order = np.argsort(values, kind="stable")
    group = np.cumsum(np.diff(values[order], prepend=values[order[0]]) > 0)  # ties share a group
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    in_group = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(in_group, axis=1) - in_group / 2.0 + 0.5
    group_of = np.empty(len(values), dtype=np.int64)
    group_of[order] = group
    return middle[:, group_of]


def kendall(x: Floats, y: Floats, clusters: Indices, weights: Floats) -> Floats:
    """Tau-b under cluster weights, w'Kw / sqrt(w'Kx w * w'Ky w); arguments and result as for `pearson`.

    K sums sign(xi - xj) sign(yi - yj) over the judgments of each two clusters, Kx and Ky count the pairs that are not
    tied; the sums are made once, whatever the number of weights.
    """
    count = weights.shape[1]

    def form(matrix: Floats) -> Floats:
        return np.asarray(((weights @ matrix) * weights).sum(axis=1))

    untied_y = form(_untied(y, clusters, count))
    return np.stack(
        [
            _ratio(form(concordance), form(_untied(row, clusters, count)) * untied_y)
            for row, concordance in zip(x, _concordances(x, y, clusters, count), strict=True)
        ]
    )


def _ratio(numerator: Floats, squared_denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = numerator / np.sqrt(squared_denominator)
    return np.where(squared_denominator > 0, np.clip(ratio, -1.0, 1.0), np.nan)


def _concordances(x: Floats, y: Floats, clusters: Indices, count: int) -> Iterator[Floats]:
    """For each row of x the matrix K of `kendall`, (clusters, clusters).

    Comparisons of everything with everything are kept as bits, a column of bytes a cluster, and counted by `popcount`.
    """
    sizes = np.bincount(clusters, minlength=count)
    bytes_ = -(-sizes // 8)
    first_byte = np.cumsum(bytes_) - bytes_
    within = np.arange(len(y)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    column = np.repeat(first_byte * 8, sizes) + within
    width = int(bytes_.sum()) * 8

    def greater(values: Floats) -> NDArray[np.uint8]:
        """Bits of values[i] > values[j], (n, bytes); padding compares as false."""
        padded = np.full(width, np.inf)
        padded[column] = values
        return np.packbits(values[:, None] > padded[None], axis=1)

    rows = np.cumsum(sizes) - sizes
    above, below = greater(y), greater(-y)

    def blocks(bits: NDArray[np.uint8]) -> Floats:
        by_column = np.add.reduceat(np.bitwise_count(bits), first_byte, axis=1, dtype=np.int32)
        return np.add.reduceat(by_column, rows, axis=0).astype(np.float64)

    for values in x:
        bits = greater(values)
        difference = blocks(bits & above) - blocks(bits & below)
        yield difference + difference.T


def _untied(values: Floats, clusters: Indices, count: int) -> Floats:
    """Number of pairs of judgments with different values, for each two clusters, (clusters, clusters)."""
    sizes = np.bincount(clusters, minlength=count).astype(np.float64)
    distinct, group = np.unique(values, return_inverse=True)
    members = coo_array((np.ones(len(values)), (group, clusters)), shape=(len(distinct), count)).tocsr()
    return np.asarray(np.outer(sizes, sizes) - (members.T @ members).toarray())


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
        perfect = (replicates == value[:, None]).all(axis=1)  # where z may be infinite
        return np.where(perfect, value, np.tanh(low)), np.where(perfect, value, np.tanh(high))
    return low, high
