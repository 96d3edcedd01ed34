"""The nearest centroid of every point, exactly, over points that need not fit in memory.

Products in float32 find it for nearly every point. Where another centroid comes within their rounding error, both
distances are taken anew in float64. So the answer is that of float64, on every processor and device.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError

Points = NDArray[np.floating[Any]]
Block = NDArray[np.floating[Any]]  # float32, or float64 where points are
Single = NDArray[np.float32]
Found = TypeVar("Found")
_BLOCK: Final = 2048  # points that are looked at at once: what is made of them stays in the cache
SAFE: Final = 4 * float(np.finfo(np.float32).eps)  # times the root of the width: more than products are wrong by
_SINGLE: Final = 4  # bytes of a number that float32 holds
_FEW: Final = 256  # points of which differences from centroids in float64 stay in the cache
_PAIRS: Final = 1 << 21  # numbers of pairs that are compared in float64 at once


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that have threads: to find them takes longer than a block does."""
    return ThreadpoolController()


def as_block(points: Points) -> Block:
    """Return points as they are computed with: in float32, or in float64 if that is what they are."""
    return np.asarray(points, dtype=np.float32 if points.dtype.itemsize <= _SINGLE else np.float64)


def rows_of(block: Block, rows: Indices) -> Block:
    """Return rows of a block, without a copy if these are all of them in order, as they are where no two are the same.

    Args:
        block: (n, d).
        rows: Their numbers, in order, (m,).
    """
    return block if len(rows) == len(block) else block[rows]


def over_blocks(points: Points, work: Callable[[int, Block], Found]) -> Iterator[Found]:
    """Do something with every block of points, on as many threads as torch has, and yield what comes of it in order.

    Args:
        points: (n, d), in memory or mapped.
        work: Takes the number of a block's first point, and its points as `as_block` gives them.
    """

    def taken(start: int) -> Found:
        return work(start, as_block(points[start : start + _BLOCK]))

    starts, threads = range(0, len(points), _BLOCK), torch.get_num_threads()
    if len(starts) == 1:
        yield taken(0)
        return
    waiting: deque[Future[Found]] = deque()
    # threads of their own would wait for each other at every product
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for start in starts:
            waiting.append(pool.submit(taken, start))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class PointSpread:
    """Where points lie.

    Attributes:
        origin: What they are held against, (d,), so that products in float32 lose no digits: their mean, if they lie
            farther from zero than from each other, and else zero.
        variance: Mean of the variances of their columns.
    """

    origin: Block
    variance: float

    def centred(self, block: Block) -> Single:
        """Return points as seen from the origin, in float32."""
        seen = block - self.origin if self.origin.any() else block
        return seen.astype(np.float32, copy=False)


def spread_of(points: Points) -> PointSpread:
    """Return where points lie, in one pass.

    Args:
        points: (n, d).

    Raises:
        DataError: If a number is not finite, or too large for products in float32; names the row.
    """
    first = np.asarray(points[0], dtype=np.float64)
    largest = (np.finfo(np.float32).max / (16 * max(len(first), 1))) ** 0.5  # so that no squared distance overflows

    def moments(start: int, block: Block) -> tuple[Floats, Floats]:
        if not max(block.max(), -block.min()) <= largest:  # as it is where one is no number
            row = start + int(np.argmin((np.abs(block) <= largest).all(axis=1)))
            raise DataError(
                f"row {row:,} of the points is not finite, or too large for products in float32: leave out such rows, "
                "or scale all"
            )
        moved = block - first
        return moved.sum(axis=0), np.einsum("ij,ij->j", moved, moved)

    total, squares = np.zeros_like(first), np.zeros_like(first)
    for sums, of_squares in over_blocks(points, moments):
        total += sums
        squares += of_squares
    mean = total / len(points)
    variances = np.maximum(squares / len(points) - mean**2, 0)
    mean += first
    is_far = float((mean**2).sum()) > float(variances.sum())
    origin = mean if is_far else np.zeros_like(mean)
    return PointSpread(origin.astype(as_block(points[:1]).dtype), float(variances.mean()))


@dataclass(frozen=True)
class NearestCentroid:
    """Finds the nearest of some centroids.

    Attributes:
        centroids: (K, d).
        spread: Where the points lie.
        device: Device of the products.
    """

    centroids: Floats
    spread: PointSpread
    device: str = "cpu"

    @cached_property
    def _moved(self) -> Floats:
        moved: Floats = self.centroids - self.spread.origin
        return moved

    @cached_property
    def _weights(self) -> Single:
        return np.ascontiguousarray(-self._moved.T, dtype=np.float32)

    @cached_property
    def _halves(self) -> Single:
        halves: Floats = (self._moved**2).sum(axis=1) / 2
        return halves.astype(np.float32)

    @cached_property
    def _on_device(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(self._weights).to(self.device), torch.from_numpy(self._halves).to(self.device)

    @cached_property
    def _held(self) -> threading.local:
        return threading.local()

    def _costs(self) -> Single:
        """Memory of this thread's costs: new memory for each block would cost a tenth of the time."""
        if not hasattr(self._held, "costs"):
            self._held.costs = np.empty((_BLOCK, len(self.centroids)), dtype=np.float32)
        costs: Single = self._held.costs
        return costs

    def __call__(self, block: Block) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Find the nearest centroid of each point, the lowest of several.

        Args:
            block: (n, d).

        Returns:
            Its number, (n,); how far away it is at most, (n,); and how far away every other one is at least, (n,).
        """
        centred = self.spread.centred(block)
        bound, wrong, squares = self._errors(centred)
        found = (self._here if self.device == "cpu" else self._there)(centred, bound)
        if len(found.several):
            self._settle(found, block)
        return found.nearest, _distances(found.least, squares, wrong), _distances(found.second, squares, -wrong)

    def at_least(self, block: Block, but: Indices) -> Floats:
        """How far away the nearest centroid is at least, (n,), by products on the CPU.

        Args:
            block: (n, d).
            but: Number of a centroid that is left out for each point, (n,); -1 if none is.
        """
        centred = self.spread.centred(block)
        _, wrong, squares = self._errors(centred)
        costs = self._products(centred)
        some = np.flatnonzero(but >= 0)
        costs[some, but[some]] = np.inf
        return _distances(costs.min(axis=1), squares, -wrong)

    def _errors(self, centred: Single) -> tuple[Single, Floats, Single]:
        """How much costs of points are wrong by at most, and squared distances; and the points' squared lengths."""
        longest, safe = float(self._halves.max()), SAFE * centred.shape[1] ** 0.5
        squares = np.einsum("ij,ij->i", centred, centred)
        bound = safe * math.sqrt(2 * longest) * np.sqrt(squares) + SAFE * longest
        return bound, 2 * bound.astype(np.float64) + safe * squares, squares

    def _products(self, centred: Single) -> Single:
        """Half the squared distances to all centroids, less what is the same for all of them, (n, K)."""
        costs = np.matmul(centred, self._weights, out=self._costs()[: len(centred)])
        costs += self._halves
        return costs

    def _here(self, centred: Single, bound: Single) -> _Found:
        """What is found in float32."""
        costs = self._products(centred)
        nearest, places = costs.argmin(axis=1), np.arange(len(costs))
        least = costs[places, nearest]
        costs[places, nearest] = np.inf
        second = costs.min(axis=1)
        several = np.flatnonzero(second <= least + bound)
        near = costs[several] <= (least + bound)[several, None]
        near[np.arange(len(several)), nearest[several]] = True
        return _Found(nearest.astype(np.int32), least, second, several, near)

    def _there(self, centred: Single, bound: Single) -> _Found:
        """The same on another device."""
        weights, halves = self._on_device
        costs = torch.addmm(halves, torch.from_numpy(centred).to(self.device), weights)
        least, nearest = costs.min(dim=1)
        second = costs.scatter(1, nearest[:, None], np.inf).amin(dim=1)
        reach = least + torch.from_numpy(bound).to(self.device)
        several = torch.nonzero(second <= reach)[:, 0]
        near = costs[several] <= reach[several, None]
        numbers = [each.cpu().numpy() for each in (nearest.int(), least, second, several, near)]
        return _Found(*numbers)

    def _settle(self, found: _Found, block: Block) -> None:
        """Take anew, in float64, the nearest centroid of points that have several near ones."""
        step = max(1, _PAIRS // self.centroids.size)
        for start in range(0, len(found.several), step):
            rows, near = found.several[start : start + step], found.near[start : start + step]
            places, clusters = np.nonzero(near)
            apart = squared_distances(block[rows[places]], self.centroids, clusters)
            order = np.lexsort((clusters, apart, places))
            first = np.unique(places[order], return_index=True)[1]
            found.nearest[rows] = clusters[order][first]


def _distances(costs: Single, squares: Single, wrong: Floats) -> Floats:
    """Distances from costs, and from the points' squared lengths, moved by what squared distances are wrong by."""
    found: Floats = np.sqrt(np.maximum(2.0 * costs + squares + wrong, 0))
    return found


@dataclass(frozen=True)
class _Found:
    """What products in float32 say of some points.

    Attributes:
        nearest: Number of the nearest centroid, (n,) int32.
        least: Its cost, (n,).
        second: The least cost of another one, (n,).
        several: Points with several centroids so near that each may be the nearest, (m,).
        near: Which centroids these are, (m, K).
    """

    nearest: NDArray[np.int32]
    least: Single
    second: Single
    several: Indices
    near: NDArray[np.bool_]


def squared_distances(block: Block, centroids: Floats, chosen: NDArray[np.integer[Any]]) -> Floats:
    """Return squared distances of points to one centroid each, (n,), in float64.

    Args:
        block: (n, d).
        centroids: (K, d).
        chosen: Number of a centroid for each point, (n,).
    """
    found = np.empty(len(block))
    for start in range(0, len(block), _FEW):
        rows = slice(start, start + _FEW)
        apart = block[rows] - centroids[chosen[rows]]
        np.einsum("ij,ij->i", apart, apart, out=found[rows])
    return found
