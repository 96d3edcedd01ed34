"""Influences: what each judgment adds to the deviation of a score from itself, to first order.

They are the empirical influence values divided by the number of judgments; their sum is 0, and where judgments are
independent the sum of their squares is the variance of the score. Those of a difference of two scores are differences
of influences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices


def mean_influences(values: NDArray[Any]) -> Floats:
    """Those of a mean, (n,), e.g. of the share of correct choices; `values` are 1 where one is right, else 0, (n,)."""
    return np.asarray((values - values.mean(dtype=np.float64)) / len(values))


def pearson_influences(x: Floats, y: Floats) -> Floats:
    """Those of linear correlations r: (u v - r (u^2 + v^2) / 2) / n with u and v standardised (Devlin et al., 1975).

    Args:
        x: (curves, n).
        y: (n,).

    Returns:
        (curves, n); not numbers where one of the two is constant.
    """
    u, v = _standardised(x), _standardised(y)
    r = (u * v).mean(axis=1, keepdims=True)
    return np.asarray((u * v - r * (u**2 + v**2) / 2.0) / x.shape[1])


def spearman_influences(x: Floats, y: Floats) -> Floats:
    """Those of rank correlations with average ranks: of the correlation of ranks, and of the ranks themselves.

    A judgment more lifts the ranks of all that lie above it, and by half of that those that tie with it (Croux and
    Dehon, 2010, with ties).

    Args:
        x: (curves, n).
        y: (n,).

    Returns:
        (curves, n); not numbers where one of the two is constant.
    """
    return rank_correlations(Ranked.of(x), Ranked.of(y[None]))[1]


@dataclass(frozen=True, eq=False)
class Ranked:
    """The order of values, which is found once for all that they are correlated with.

    Attributes:
        groups: Place of each value among the distinct ones of its row, (rows, n).
        ranks: Average ranks, standardised, (rows, n); not numbers where a row is constant.
        spread: Standard deviations of the ranks, (rows, 1).
    """

    groups: Indices
    ranks: Floats
    spread: Floats

    @classmethod
    def of(cls, values: Floats) -> Ranked:
        """Those of rows of values, (rows, n)."""
        groups, ranks = np.empty(values.shape, dtype=np.int64), np.empty(values.shape)
        for row, group, rank in zip(values, groups, ranks, strict=True):
            _, group[:], counts = np.unique(row, return_inverse=True, return_counts=True)
            rank[:] = (counts.cumsum() - (counts - 1.0) / 2.0)[group]
        return cls(groups, _standardised(ranks), ranks.std(axis=1, keepdims=True))

    def above(self, row: int, slopes: Floats) -> Floats:
        """For each value of a row the sum of the slopes of larger ones, and half of those of equal ones, (n,)."""
        group = self.groups[row]
        of_group = np.bincount(group, slopes)
        return np.asarray((of_group[::-1].cumsum()[::-1] - of_group / 2.0)[group])


def rank_correlations(x: Ranked, y: Ranked) -> tuple[Floats, Floats]:
    """Rank correlations, (curves,), of rows of x with the one row of y, and their influences, (curves, n)."""
    u, v = x.ranks, y.ranks
    r = (u * v).mean(axis=1, keepdims=True)
    lifted = np.stack([x.above(row, slopes) for row, slopes in enumerate(v - r * u)]) / x.spread
    lifted += np.stack([y.above(0, slopes) for slopes in u - r * v]) / y.spread
    adds = u * v - r * (u**2 + v**2) / 2.0 + lifted - lifted.mean(axis=1, keepdims=True)
    return np.clip(r[:, 0], -1.0, 1.0), np.asarray(adds / u.shape[1])


def moved(x: Ranked, y: Ranked, values: Floats, others: tuple[Indices, Floats]) -> Floats:
    """What would change of the influences of single judgments if their second value were another, (curves, m).

    Args:
        x: Rows of first values, (curves, n).
        y: The one row of second values.
        values: These themselves, (n,).
        others: Places of m judgments, and the value that each would have, (m,).
    """
    at, other = others
    distinct, counts = np.unique(values, return_counts=True)
    below = np.concatenate([[0.0], counts.cumsum()])
    low, high = (np.searchsorted(distinct, other, side) for side in ("left", "right"))
    n, [[spread]] = len(values), y.spread
    own, v = y.ranks[0, at], ((below[low] + below[high] + 1.0) / 2.0 - (n + 1.0) / 2.0) / spread
    found = np.empty((len(x.ranks), len(at)))
    for row, u in enumerate(x.ranks):
        r = float((u * y.ranks[0]).mean())
        slopes = u - r * y.ranks[0]
        beyond = np.concatenate([[0.0], np.bincount(y.groups[0], slopes).cumsum()])
        lifted = beyond[-1] - (beyond[low] + beyond[high]) / 2.0 - y.above(0, slopes)[at]
        found[row] = u[at] * (v - own) - r * (v**2 - own**2) / 2.0 + lifted / spread
    return found / n


def _standardised(values: Floats) -> Floats:
    """Values less their mean, over their standard deviation; not numbers where they are constant."""
    about_mean = values - values.mean(axis=-1, keepdims=True)
    spread = about_mean.std(axis=-1, keepdims=True)
    return np.asarray(about_mean / np.where(np.ptp(values, axis=-1, keepdims=True) > 0.0, spread, np.nan))
