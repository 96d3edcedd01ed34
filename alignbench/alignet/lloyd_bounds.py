"""What one iteration of Lloyd's algorithm tells of the next, so that most distances need not be taken in it.

A point whose other centroids cannot have come nearer than its own is passed over, as in Hamerly, "Making k-means even
faster" (2010). Where only a few centroids have moved far, these are looked at first: they are the only ones that can
have come nearer to most of the points that are left. This changes no result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.nearest_centroids import Block, NearestCentroid, rows_of
from alignbench.arrays import Floats, Indices

_ROUNDED_UP: Final = 1 + 1e-9  # so that no rounding makes a point pass that should be looked at
_OVERHEAD: Final = 0.2  # of looking at a point a second time, as a share of looking at all centroids
_COUNTED: Final = 4096  # points


@dataclass(frozen=True)
class LloydBounds:
    """How far points are from centroids at most and at least, and how far all of these have moved since.

    Attributes:
        assignments: Cluster of each point, (n,).
        own: How far away a point's own centroid was at most, (n,).
        others: How far away every other centroid was at least, (n,).
        moves: How far each centroid has moved since, (K,).
    """

    assignments: NDArray[np.int32]
    own: Floats
    others: Floats
    moves: Floats

    @cached_property
    def own_now(self) -> Floats:
        """How far away a point's own centroid is now, at most, (n,)."""
        now: Floats = self.own + _ROUNDED_UP * self.moves[self.assignments]
        return now

    def others_now(self, number: int = 0) -> Floats:
        """How far away others are now, at least, (n,), but for so many centroids that have moved farthest."""
        now: Floats = self.others - _ROUNDED_UP * self.moves[self._order[number]]
        return now

    @cached_property
    def moved_far(self) -> Indices:
        """The centroids that have moved farthest, so many as it takes least to look at first; none if that is no gain.

        What is counted is products of a centroid and a point, of some points all over: it settles the time alone.
        """
        moves = _ROUNDED_UP * self.moves[self._order]
        slack = (self.others - self.own_now)[:: max(1, len(self.own) // _COUNTED)]
        needed = len(moves) - np.searchsorted(moves[::-1], slack)  # by each point
        numbers = np.arange(len(moves))
        left = len(needed) - np.cumsum(np.bincount(needed, minlength=len(moves)))[: len(moves)]
        first = np.where(numbers > 0, left[0] * (numbers + _OVERHEAD * len(moves)), 0)
        return self._order[: int(np.argmin(first + left * len(moves)))]

    @cached_property
    def _order(self) -> Indices:
        return np.argsort(-self.moves, kind="stable")


class Assigner:
    """Assigns blocks of points to their nearest centroids, and takes no more distances than it must.

    Args:
        nearest: Finds the nearest of all centroids.
        before: Cluster of each point in the iteration before, (n,).
        bounds: What that iteration tells; None if nothing is known.

    Attributes:
        assignments: Cluster of each point, (n,), once its block was assigned.
        own: How far away a point's own centroid is at most, (n,), likewise.
        others: How far away every other centroid is at least, (n,), likewise.
    """

    def __init__(self, nearest: NearestCentroid, before: NDArray[np.int32], bounds: LloydBounds | None) -> None:
        self.assignments = before.copy()
        self._before, self._nearest = before, nearest
        far = np.empty(0, dtype=np.int64)
        if bounds is None:
            self.own, self.others = np.full(len(before), np.inf), np.zeros(len(before))
        else:
            far = bounds.moved_far if nearest.device == "cpu" else far
            self.own, self.others, self._but_far = bounds.own_now, bounds.others_now(), bounds.others_now(len(far))
        self._far = replace(nearest, centroids=nearest.centroids[far]) if len(far) else None
        self._places = np.full(len(nearest.centroids), -1)
        self._places[far] = np.arange(len(far))

    def __call__(self, start: int, block: Block) -> Indices:
        """Assign the points of a block.

        Args:
            start: Number of its first point.
            block: (b, d).

        Returns:
            Which points of the block have another cluster than before.
        """
        here = slice(start, start + len(block))
        if self._far is not None:
            nearest_far = self._far.at_least(block, self._places[self._before[here]])
            by_parts = np.minimum(nearest_far, self._but_far[here])
            self.others[here] = np.maximum(self.others[here], by_parts)
        asked = np.flatnonzero(self.others[here] <= self.own[here])
        rows = start + asked
        found = self._nearest(rows_of(block, asked))
        self.assignments[rows], self.own[rows], self.others[rows] = found
        changed: Indices = asked[self.assignments[rows] != self._before[rows]]
        return changed
