"""Correlations under cluster weights, for many curves and many weights at once.

A weight is how often a cluster of judgments counts: all ones give the plain correlation, counts of drawn clusters a
bootstrap resample, ones with a single zero a jackknife replicate. Whatever does not depend on the weights is done once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from alignbench.arrays import Floats, Indices


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

    def variance(values: Floats) -> Floats:
        """Weighted sums of squares about the mean; what is only rounding is nothing."""
        squares = total(values * values)
        about_mean = squares - total(values) ** 2 / size
        return np.where(about_mean > 1e-12 * squares, about_mean, 0.0)

    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean()
    size = total(np.ones(len(y)))
    covariance = total(dx * dy) - total(dx) * total(dy) / size
    return _ratio(covariance, variance(dx) * variance(dy))


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
