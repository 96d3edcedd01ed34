"""Where k-means starts: greedy k-means++, over all points.

Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (2007). Each further centroid is the best of
2 + log K points that are drawn by their squared distance to the nearest centroid so far, as in scikit-learn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alignbench.alignet.nearest_centroids import Block, Points, PointSpread, over_blocks
from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError


def kmeans_start(points: Points, spread: PointSpread, clusters: int, seed: int) -> Indices:
    """Draw the points that k-means starts from.

    Args:
        points: (n, d).
        spread: Where they lie.
        clusters: How many to draw.
        seed: Seed of the draws.

    Returns:
        Their numbers, (clusters,), no two alike.

    Raises:
        DataError: If there are fewer different points.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    tries = tries_of(clusters)
    chosen = [int(rng.integers(len(points)))]
    lengths = np.concatenate(list(over_blocks(points, lambda _, block: _squares(spread.centred(block)))))
    centred = _CentredPoints(points, spread, lengths)
    closest = centred.squared_distances(np.array(chosen))[0]
    while len(chosen) < clusters:
        total = np.cumsum(closest)
        if total[-1] <= 0:
            raise DataError(
                f"the points take only {len(chosen):,} different values, fewer than the {clusters:,} clusters: ask for "
                "fewer clusters"
            )
        drawn = np.searchsorted(total, rng.random(tries) * total[-1], side="right")
        drawn = np.minimum(drawn, np.flatnonzero(closest)[-1])  # what rounding puts behind the last
        found = np.minimum(centred.squared_distances(drawn), closest)
        best = int(np.argmin(found.sum(axis=1)))
        chosen.append(int(drawn[best]))
        closest = found[best]
    return np.array(chosen, dtype=np.int64)


def tries_of(clusters: int) -> int:
    """Return of how many points each further centroid is the best one."""
    return 2 + int(math.log(clusters))


@dataclass(frozen=True)
class _CentredPoints:
    """Points with their squared lengths, as seen from the origin of the spread."""

    points: Points
    spread: PointSpread
    lengths: Block

    def squared_distances(self, chosen: Indices) -> Floats:
        """Squared distances of all points to some of them, (chosen, n); 0 to itself."""
        candidates = self.spread.centred(np.asarray(self.points[chosen], dtype=np.float32))

        def apart(start: int, block: Block) -> Block:
            products = self.spread.centred(block) @ candidates.T
            found: Block = self.lengths[start : start + len(block), None] - 2 * products + _squares(candidates)
            return np.maximum(found, 0)

        found = np.concatenate(list(over_blocks(self.points, apart))).T.astype(np.float64, order="C")
        found[np.arange(len(chosen)), chosen] = 0
        return found


def _squares(block: Block) -> Block:
    squares: Block = np.einsum("ij,ij->i", block, block)
    return squares
