"""Judgments that share objects: which they are, and how far a score over them would vary with other objects.

Two judgments go together wherever they have an object in common. A triplet of objects i, j and k is in the sums of
three objects, so that squares of these sums count it three times over; here each two judgments with anything in common
count exactly once (dyadic-robust variance: Aronow, Samii and Assenova, Political Analysis 2015; Cameron and Miller,
2014).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import OBJECTS, IntervalKind
from alignbench.statistics.object_variance import ObjectVariance

_AT_ONCE = 65_536  # pairs of objects whose sums are held at the same time


class SharedObjects:
    """The objects of judgments.

    Judgments of the same objects, in whatever order, are one cell: all that follows is of sums over cells, of which
    there may be thousands of times fewer than judgments.

    Args:
        objects: Numbers of the k objects of each judgment, (n, k): 3 of a triplet, 2 of a pair of pictures.

    Attributes:
        objects: What was given.
        count: Number of objects.
        judgments: Number of judgments, n.
        share_apart: Share of the pairs of judgments that have no object in common; each judgment makes a pair with
            itself too.

    Raises:
        DataError: If there is no judgment, or one names an object twice.
    """

    def __init__(self, objects: Indices) -> None:
        if objects.ndim != 2 or not objects.size:
            raise DataError(f"objects of judgments have the shape {objects.shape}: give (judgments, objects of each)")
        numbered, distinct = pd.factorize(objects.ravel(), sort=True)
        members = np.sort(numbered.reshape(objects.shape), axis=1)
        again = (members[:, 1:] == members[:, :-1]).any(axis=1)
        if again.any():
            row = int(again.argmax())
            raise DataError(f"judgment {row} names an object twice ({objects[row].tolist()}): leave it out")
        self.objects, self.count, self.judgments = objects, len(distinct), len(objects)
        self._cell = _grouped(members, self.count)
        _, first = np.unique(self._cell, return_index=True)
        self._cells = len(first)
        self._sums = [_summing(members[first], size, self.count) for size in range(1, objects.shape[1])]
        once, same, _ = self._products(np.bincount(self._cell)[:, None].astype(np.float64))  # whole numbers: exact
        self.share_apart, self._share_of_other_cells = (
            float(1.0 - pairs[0, 0] / self.judgments**2) for pairs in (once, same)
        )

    def variance(self, influences: Iterable[NDArray[np.floating]]) -> ObjectVariance:
        """The variance of scores that are sums over judgments, to first order.

        With s the sums of influences over what is named, and c = 1 / `share_apart`,

            V = c (Q_1 - Q_2 + Q_3),  Q_1 = sum over objects of s^2,  Q_2 over pairs of objects of s^2 of the judgments
                                      that have both,  Q_3 over triples (for pairs of pictures: V = c (Q_1 - Q_2)).

        Influences are taken about a mean of the same judgments, which lowers the expectation of what is in brackets to
        `share_apart` of the variance where all judgments share objects with equally many others; c mends that (for its
        bias, as in Bell and McCaffrey, 2002). V may come out too small or negative, which is chance: where it lies
        below the variance over cells, Q_3 / (1 - share of the pairs of judgments that are of one cell), that takes its
        place, and `floored` says so.

        Degrees of freedom are Satterthwaite's (1946), 2 E[V]^2 / Var[V]. Q_1 is the sum over few things, and what
        varies: of normal sums Var[Q_1] = 2 sum E[s^2]^2, which 2/3 sum s^4 estimates without bias, so that they are
        3 (Q_1 - Q_2 + Q_3)^2 / sum over objects of s^4. That is about the number of objects where objects alone make
        judgments alike, less where some objects are in more judgments or matter more than others, and 1/k^2 of it where
        judgments are alike in nothing. They are held between 1 and the number of objects less one; a floored variance
        has those of its cells, by the same formula.

        Args:
            influences: What each judgment adds to the deviation of each score from itself, (curves, n); their sum over
                judgments is 0. One curve at a time is held.

        Returns:
            The variances of the scores, and their covariance. Not numbers where influences are not, or where each two
            judgments have an object in common: then nothing tells how they would vary.

        Raises:
            DataError: If there are no influences, or not one for each judgment.
        """
        return self.sums(influences).variance()

    def sums(self, influences: Iterable[NDArray[np.floating]]) -> ObjectSums:
        """What the variance of any weighted sums of the scores follows from; arguments as for `variance`."""
        rows = [self._over_cells(row) for row in influences]
        if not rows:
            raise DataError("no influences of judgments: give those of one score at least")
        of_cells = np.stack(rows, axis=1)
        once, same, of_objects = self._products(of_cells)
        most = max(1.0, min(self.count, self._cells) - 1.0)
        apart = self.share_apart, self._share_of_other_cells
        return ObjectSums(once, same, of_objects, of_cells, np.eye(len(rows)), apart, most)

    def _over_cells(self, influences: NDArray[np.floating]) -> Floats:
        """Sums of influences over each cell, (cells,)."""
        if influences.shape != (self.judgments,):
            raise DataError(f"{influences.shape} influences of {self.judgments} judgments: give one for each judgment")
        return np.asarray(np.bincount(self._cell, influences, minlength=self._cells), dtype=np.float64)

    def _products(self, of_cells: Floats) -> tuple[Floats, Floats, Floats]:
        """Sums of products of the curves' sums over what is named.

        Args:
            of_cells: (cells, curves).

        Returns:
            Products of any two judgments that share an object, and of those of one cell, (curves, curves) each; and the
            sums over objects, (objects, curves).
        """
        same = of_cells.T @ of_cells
        once, of_objects = same if len(self._sums) % 2 == 0 else -same, of_cells
        for size, blocks in enumerate(self._sums):
            for block in blocks:
                some = np.asarray(block @ of_cells)
                once = once + (some.T @ some if size % 2 == 0 else -(some.T @ some))
                of_objects = some if size == 0 else of_objects
        return once, same, of_objects


@dataclass(frozen=True, eq=False)
class ObjectSums:
    """Sums of the influences of judgments on several scores, see `SharedObjects.variance`.

    Attributes:
        once: Products of any two judgments that share an object, (curves, curves).
        same: Those of any two judgments of one cell, (curves, curves).
        of_objects: Sums over the judgments of each object, (objects, curves).
        of_cells: Sums over each cell, (cells, given scores).
        weights: Of the given scores in each of these, (curves, given scores): sums over cells are made where needed.
        apart: Shares of the pairs of judgments that share no object, and that are not of one cell.
        most: The most degrees of freedom.
    """

    once: Floats
    same: Floats
    of_objects: Floats
    of_cells: Floats
    weights: Floats
    apart: tuple[float, float]
    most: float

    @property
    def kind(self) -> IntervalKind:
        """How intervals are made."""
        return OBJECTS if self.apart[0] > 0.0 else "none"

    def combined(self, weights: Floats) -> ObjectSums:
        """Those of weighted sums of the scores; `weights` are (sums, curves)."""
        used = np.flatnonzero(weights.any(axis=0))
        some, block = weights[:, used], np.ix_(used, used)
        once, same = (some @ each[block] @ some.T for each in (self.once, self.same))
        of_objects = self.of_objects[:, used] @ some.T
        return replace(self, once=once, same=same, of_objects=of_objects, weights=weights @ self.weights)

    def variance(self) -> ObjectVariance:
        """The variances, see `SharedObjects.variance`."""
        squares = np.diag(self.once), np.diag(self.same)
        once, floor = (each / (apart or np.nan) for each, apart in zip((self.once, self.same), self.apart, strict=True))
        floored = np.diag(once) < np.diag(floor) * (1.0 - 1e-9)  # what is only rounding is not below
        fourths = (self.of_objects**4).sum(axis=0)
        fourths[floored] = [self._fourth_over_cells(weights) for weights in self.weights[floored]]
        with np.errstate(divide="ignore", invalid="ignore"):
            degrees = 3.0 * np.where(floored, squares[1], squares[0]) ** 2 / fourths
        degrees = np.clip(np.where(np.isnan(degrees), self.most, degrees), 1.0, self.most)
        return ObjectVariance.of(once, floor, floored, degrees)

    def _fourth_over_cells(self, weights: Floats) -> float:
        """Sum over cells of the fourth power of what each adds to one score."""
        used = np.flatnonzero(weights)
        squares = (self.of_cells[:, used] @ weights[used]) ** 2
        return float(squares @ squares)


def _grouped(members: Indices, count: int) -> Indices:
    """The group of each row, (rows,): those of the same numbers below `count`, in the same order, are one."""
    group = members[:, 0]
    for column in members.T[1:]:  # numbered anew at each step: the product of many counts would not fit 64 bits
        group, _ = pd.factorize(group * count + column)
    return np.asarray(group)


def _summing(cells: Indices, size: int, count: int) -> list[csr_array]:
    """The sums over each `size` objects that cells have in common, as blocks of a matrix, (groups, cells)."""
    some = [cells[:, list(places)] for places in combinations(range(cells.shape[1]), size)]
    group = _grouped(np.concatenate(some), count)
    cell = np.tile(np.arange(len(cells)), len(some))
    whole = coo_array((np.ones(len(group)), (group, cell)), shape=(int(group.max()) + 1, len(cells))).tocsr()
    if size == 1:
        return [whole]
    return [whole[start : start + _AT_ONCE] for start in range(0, whole.shape[0], _AT_ONCE)]
