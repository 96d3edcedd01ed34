"""One iteration of Lloyd's algorithm over points that need not fit in memory.

    a_i = argmin_k |x_i - c_k|^2, the lowest k of several;  c_k = mean of the x_i with a_i = k

Lloyd, "Least squares quantization in PCM" (1982). Empty clusters take the points that are farthest from their
centroids, as in scikit-learn. Sums are kept in float64, and only points that change their cluster are added anew.
Points whose cluster cannot have changed are passed over (`lloyd_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from alignbench.alignet.lloyd_bounds import Assigner, LloydBounds
from alignbench.alignet.nearest_centroids import (
    Block,
    NearestCentroid,
    Points,
    PointSpread,
    over_blocks,
    rows_of,
    squared_distances,
)
from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, counted


@dataclass(frozen=True)
class LloydState:
    """What is known after an iteration.

    Attributes:
        iteration: How many there were.
        centroids: (K, d).
        assignments: Cluster of each point by the centroids before, (n,) int32; -1 before the first iteration.
        sums: Sums of the points of each cluster by these assignments, (K, d).
        shift: Sum of the squared distances by which the centroids have moved.
        changed: How many points have another cluster than in the iteration before.
        bounds: What spares distances in the next iteration. None if that is not known, as in a state that was stored.
    """

    iteration: int
    centroids: Floats
    assignments: NDArray[np.int32]
    sums: Floats
    shift: float = np.inf
    changed: int = -1
    bounds: LloydBounds | None = None


def first_state(points: Points, start: Points) -> LloydState:
    """Return the state before the first iteration.

    Args:
        points: (n, d).
        start: The centroids to start from, (K, d).
    """
    centroids = np.array(start, dtype=np.float64)
    return LloydState(0, centroids, np.full(len(points), -1, dtype=np.int32), np.zeros_like(centroids))


def lloyd_iteration(points: Points, spread: PointSpread, state: LloydState, device: str = "cpu") -> LloydState:
    """Assign every point to its nearest centroid, and move each centroid to the mean of its points.

    Args:
        points: (n, d).
        spread: Where they lie.
        state: The state before.
        device: Device of the products.

    Returns:
        The state after it.

    Raises:
        DataError: If there are fewer different points than clusters.
    """
    assigner = Assigner(NearestCentroid(state.centroids, spread, device), state.assignments, state.bounds)

    def assigned(start: int, block: Block) -> tuple[int, Indices, Floats]:
        """How many points change their cluster, and by what this changes which sums."""
        moved = assigner(start, block)
        rows = start + moved
        return len(moved), *_change(rows_of(block, moved), state.assignments[rows], assigner.assignments[rows])

    sums, changed = state.sums.copy(), 0
    for count, clusters, change in over_blocks(points, assigned):
        changed += count
        sums[clusters] += change
    assignments = assigner.assignments
    sizes = np.bincount(assignments, minlength=len(sums))
    centroids = _means(sums, sizes)
    if not sizes.all():
        centroids = _refilled(points, state.centroids, assignments, sums)
    moves = ((centroids - state.centroids) ** 2).sum(axis=1)
    bounds = LloydBounds(assignments, assigner.own, assigner.others, np.sqrt(moves))
    return LloydState(state.iteration + 1, centroids, assignments, sums, float(moves.sum()), changed, bounds)


def _change(points: Block, old: NDArray[np.int32], new: NDArray[np.int32]) -> tuple[Indices, Floats]:
    """What points add to the sums of their new clusters, and take from those of their old ones: these, and how much."""
    known = bool(len(old)) and bool(old[0] >= 0)  # all of them are, or none is, in the first iteration
    entries, signs = (np.stack([new, old], axis=1).ravel(), [1.0, -1.0]) if known else (new, [1.0])
    clusters, rows = np.unique(entries.astype(np.int64), return_inverse=True)
    ends = np.arange(0, len(entries) + 1, len(signs))
    change = csc_matrix((np.tile(signs, len(points)), rows, ends), shape=(len(clusters), len(points)))
    return clusters, change @ points.astype(np.float64)


def _means(sums: Floats, sizes: Indices) -> Floats:
    means: Floats = sums / np.maximum(sizes, 1)[:, None]
    return means


def _refilled(points: Points, before: Floats, assignments: NDArray[np.int32], sums: Floats) -> Floats:
    """Return centroids where each empty cluster has one of the points that lie farthest from their centroids."""

    def apart(start: int, block: Block) -> Floats:
        return squared_distances(block, before, assignments[start : start + len(block)])

    far = np.concatenate(list(over_blocks(points, apart)))
    sizes, sums = np.bincount(assignments, minlength=len(sums)), sums.copy()
    empty = np.flatnonzero(sizes == 0)
    farthest = np.argsort(-far, kind="stable")[: len(empty)]
    if far[farthest].min() == 0:
        different = len(sums) - int((far[farthest] == 0).sum())
        raise DataError(
            f"the points take only about {counted(different, 'different value')}, fewer than the "
            f"{len(sums):,} clusters: ask for fewer"
        )
    for cluster, number in zip(empty, farthest, strict=True):
        point, owner = np.asarray(points[number], dtype=np.float64), assignments[number]
        sums[owner] -= point
        sizes[owner] -= 1
        sums[cluster], sizes[cluster] = point, 1
    return _means(sums, sizes)
