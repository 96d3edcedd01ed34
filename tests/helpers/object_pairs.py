"""Variances over judgments that share objects, by loops over every two judgments; no code of the package is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ByPairs:
    """Of one score, or of two.

    Attributes:
        once: Sum of products over each two judgments that share an object, over the share of those that share none.
        cells: Likewise of judgments of the same objects.
        degrees: Degrees of freedom of `once`.
        degrees_of_cells: Those of `cells`.
    """

    once: float
    cells: float
    degrees: float
    degrees_of_cells: float

    @property
    def floored(self) -> bool:
        """Whether `cells` takes the place of `once`."""
        return self.cells > self.once

    @property
    def variance(self) -> float:
        return max(self.once, self.cells)

    @property
    def degrees_used(self) -> float:
        return self.degrees_of_cells if self.floored else self.degrees

    def interval(self, value: float) -> tuple[float, float]:
        """The 95 % t interval around a score."""
        low, high = stats.t.interval(0.95, self.degrees_used, value, np.sqrt(self.variance))
        return float(low), float(high)

    def p_value(self, value: float) -> float:
        """Two-sided, against 0."""
        return float(2.0 * stats.t.sf(abs(value) / np.sqrt(self.variance), self.degrees_used))


def by_pairs(objects: Sequence[Sequence[int]], first: Array, second: Array | None = None) -> ByPairs:
    """What two loops give; degrees are 3 V^2 / sum of s^4, at most those of objects or cells."""
    other = first if second is None else second
    sets = [frozenset(row) for row in objects]
    n, once, cells, meeting, same = len(sets), 0.0, 0.0, 0, 0
    for i in range(n):
        for j in range(n):
            if sets[i] & sets[j]:
                once += first[i] * other[j]
                meeting += 1
            if sets[i] == sets[j]:
                cells += first[i] * other[j]
                same += 1
    names = sorted(set().union(*sets))
    of_objects = sum(sum(first[i] for i in range(n) if name in sets[i]) ** 4 for name in names)
    of_cells = sum(sum(first[i] for i in range(n) if sets[i] == cell) ** 4 for cell in set(sets))
    most = min(len(names), len(set(sets))) - 1
    degrees = [
        min(most, max(1.0, 3.0 * square**2 / fourth)) for square, fourth in ((once, of_objects), (cells, of_cells))
    ]
    return ByPairs(once / (1.0 - meeting / n**2), cells / (1.0 - same / n**2), *degrees)


def drawn_objects(rng: np.random.Generator, objects: int, judgments: int, each: int) -> NDArray[np.int64]:
    """Objects of judgments, some of them judged again in another order, (judgments, each)."""
    rows = np.array([rng.choice(objects, each, replace=False) for _ in range(judgments)])
    again = rng.random(judgments) < 0.3
    rows[again] = rng.permuted(rows[rng.integers(0, judgments, again.sum())], axis=1)
    return rows
