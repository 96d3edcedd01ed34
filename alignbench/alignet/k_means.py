"""k-means over points that need not fit in memory: every point in every iteration, and never a sample of them.

It is scikit-learn's `KMeans(algorithm="lloyd", n_init=1)`: the same start gives the same clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.kmeans_start import kmeans_start
from alignbench.alignet.lloyd import LloydState, first_state, lloyd_iteration
from alignbench.alignet.lloyd_bounds import Assigner
from alignbench.alignet.nearest_centroids import (
    Block,
    NearestCentroid,
    Points,
    PointSpread,
    over_blocks,
    spread_of,
    squared_distances,
)
from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError, counted


@dataclass(frozen=True)
class KMeansOptions:
    """How k-means runs.

    Attributes:
        seed: Seed of the start.
        iterations: How many there are at most.
        tolerance: The squared distances that centroids move by at which it stops, relative to the mean variance.
        device: Device of the products: it changes no assignment.
    """

    seed: int = 0
    iterations: int = 300
    tolerance: float = 1e-4
    device: str = "cpu"

    def checked(self) -> KMeansOptions:
        """Return them once it is seen that they can be run.

        Raises:
            UsageError: If there is no iteration, the tolerance is negative or no number, or the seed is negative.
        """
        if self.seed < 0:
            raise UsageError(f"the seed {self.seed} is out of range: take one from 0")
        if self.iterations < 1:
            raise UsageError(f"{self.iterations} iterations of k-means are none: ask for one or more")
        if not 0 <= self.tolerance < np.inf:
            raise UsageError(f"a tolerance of {self.tolerance} stops nothing: give 0 or a small number")
        return self


@dataclass(frozen=True)
class Clusters:
    """What k-means found.

    Attributes:
        assignments: Cluster of each point, (n,) int32: the nearest centroid, the lowest number of several.
        centroids: (K, d).
        sizes: How many points each cluster has, (K,).
        inertia: Sum of the squared distances of points to their centroids.
        iterations: How many there were.
        stopped_by: `assignments`, if no point changed its cluster any more; `tolerance`; or `iterations`, if it was
            stopped before it had settled.
    """

    assignments: NDArray[np.int32]
    centroids: Floats
    sizes: Indices
    inertia: float
    iterations: int
    stopped_by: str


def kmeans(
    points: Points,
    clusters: int,
    options: KMeansOptions | None = None,
    start: Points | LloydState | None = None,
    heard: Callable[[LloydState], None] = lambda state: None,
) -> Clusters:
    """Group points by Lloyd's algorithm.

    Args:
        points: (n, d), in memory or mapped; float64 is kept, and what is narrower is taken as float32.
        clusters: How many clusters.
        options: How it runs.
        start: Centroids (K, d) to start from, or the state that a run that was stopped had; none for greedy k-means++.
        heard: Hears of the state after each iteration, and before the first one if the start was drawn.

    Returns:
        The clusters.

    Raises:
        UsageError: If there are fewer clusters than two, or more than points.
        DataError: If a number is not finite, or there are fewer different points than clusters.

    Examples:
        >>> import numpy as np
        >>> from alignbench.alignet import kmeans
        >>> found = kmeans(np.array([[0.0], [1.0], [10.0], [11.0]]), 2, start=np.array([[0.0], [11.0]]))
        >>> found.assignments.tolist(), found.centroids.ravel().tolist(), found.inertia
        ([0, 0, 1, 1], [0.5, 10.5], 1.0)
    """
    options = (options or KMeansOptions()).checked()
    if points.ndim != 2 or points.dtype.kind != "f":
        raise UsageError(f"points of shape {points.shape} and type {points.dtype} are no floating-point numbers (n, d)")
    check_clusters(clusters, len(points))
    spread = spread_of(points)
    state = _started(points, spread, clusters, options, start)
    if start is None:  # which takes as long as some iterations
        heard(state)
    tolerance = options.tolerance * spread.variance
    stopped_by = _stopped(state, tolerance, options.iterations)
    while not stopped_by:
        state = lloyd_iteration(points, spread, state, options.device)
        heard(state)
        stopped_by = _stopped(state, tolerance, options.iterations)
    return _finished(points, spread, state, stopped_by, options.device)


def check_clusters(clusters: int, points: int) -> None:
    """Refuse a number of clusters that so many points cannot have.

    Raises:
        UsageError: If there are fewer than two, or more than points.
    """
    if not 2 <= clusters <= points:
        raise UsageError(
            f"{counted(points, 'picture')} cannot make {counted(clusters, 'cluster')}: ask for 2 to {points:,}"
        )


def _started(
    points: Points, spread: PointSpread, clusters: int, options: KMeansOptions, start: Points | LloydState | None
) -> LloydState:
    if isinstance(start, LloydState):
        return start
    if start is None:
        start = points[kmeans_start(points, spread, clusters, options.seed)]
    if start.shape != (clusters, points.shape[1]) or not np.isfinite(start).all():
        raise UsageError(
            f"a start of shape {start.shape} does not fit: give finite numbers of ({clusters}, {points.shape[1]})"
        )
    return first_state(points, start)


def _stopped(state: LloydState, tolerance: float, iterations: int) -> str:
    """Why no further iteration follows; empty if one does."""
    if state.changed == 0:
        return "assignments"
    if state.shift <= tolerance:
        return "tolerance"
    return "iterations" if state.iteration >= iterations else ""


def _finished(points: Points, spread: PointSpread, state: LloydState, stopped_by: str, device: str) -> Clusters:
    """Assign points to the final centroids, and add up how far they lie from them."""
    assigner = Assigner(NearestCentroid(state.centroids, spread, device), state.assignments, state.bounds)

    def apart(start: int, block: Block) -> float:
        assigner(start, block)
        chosen = assigner.assignments[start : start + len(block)]
        return float(squared_distances(block, state.centroids, chosen).sum())

    inertia, assignments = float(sum(over_blocks(points, apart))), assigner.assignments
    sizes = np.bincount(assignments, minlength=len(state.centroids))
    return Clusters(assignments, state.centroids, sizes, inertia, state.iteration, stopped_by)
