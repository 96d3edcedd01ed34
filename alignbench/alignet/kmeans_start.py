"""Where k-means starts: greedy k-means++, over all points.

Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (2007). Each further centroid is the best of
2 + log K points that are drawn by their squared distance to the nearest centroid so far, as in scikit-learn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from alignbench.alignet.nearest_centroids import (
    SAFE,
    Block,
    Points,
    PointSpread,
    Single,
    as_block,
    over_blocks,
    squared_distances,
)
from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, counted

_ROUGH: Final = 16  # how many times more than its error a distance in float32 has to be


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
                f"the points take only {counted(len(chosen), 'different value')}, fewer than the "
                f"{clusters:,} clusters: ask for fewer clusters"
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
    lengths: Single

    def squared_distances(self, chosen: Indices) -> Floats:
        """Squared distances of all points to some of them, (chosen, n); 0 to itself."""
        exact = as_block(self.points[chosen]).astype(np.float64)
        candidates = self.spread.centred(as_block(self.points[chosen]))
        squares, doubled = _squares(candidates), -2 * candidates.T
        unsure = _ROUGH * SAFE * candidates.shape[1] ** 0.5

        def apart(start: int, block: Block) -> Floats:
            lengths = self.lengths[start : start + len(block)]
            products = self.spread.centred(block) @ doubled
            products += squares
            products += lengths[:, None]
            near = np.flatnonzero(products <= (unsure * (lengths + squares.max()))[:, None])
            found = products.astype(np.float64)
            rows, columns = np.divmod(near, len(squares))  # float32 says little of what lies so close
            found[rows, columns] = squared_distances(block[rows], exact, columns)
            return found

        return np.concatenate(list(over_blocks(self.points, apart))).T.copy()


def _squares(block: Single) -> Single:
    squares: Single = np.einsum("ij,ij->i", block, block)
    return squares
