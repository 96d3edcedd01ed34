"""Influences: what each judgment adds to the deviation of a score from itself, to first order.

They are the empirical influence values divided by the number of judgments; their sum is 0, and where judgments are
independent the sum of their squares is the variance of the score. Those of a difference of two scores are differences
of influences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alignbench.arrays import Floats


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
    ranks_x, ranks_y = stats.rankdata(x, axis=1), stats.rankdata(y)
    u, v = _standardised(ranks_x), _standardised(ranks_y)
    r = (u * v).mean(axis=1, keepdims=True)
    n = x.shape[1]
    lifted = _above(x, v - r * u) / ranks_x.std(axis=1, keepdims=True)
    lifted += np.stack([_above(y[None], row[None])[0] for row in u - r * v]) / ranks_y.std()
    return np.asarray((u * v - r * (u**2 + v**2) / 2.0 + lifted - lifted.mean(axis=1, keepdims=True)) / n)


def _standardised(values: Floats) -> Floats:
    """Values less their mean, over their standard deviation; not numbers where they are constant."""
    about_mean = values - values.mean(axis=-1, keepdims=True)
    spread = about_mean.std(axis=-1, keepdims=True)
    return np.asarray(about_mean / np.where(np.ptp(values, axis=-1, keepdims=True) > 0.0, spread, np.nan))


def _above(values: Floats, slopes: Floats) -> Floats:
    """For each value the sum of the slopes of larger values, and half of those of equal ones, (curves, n) each."""
    found = np.empty_like(slopes)
    for row, slope, out in zip(values, slopes, found, strict=True):
        distinct, group = np.unique(row, return_inverse=True)
        of_group = np.bincount(group, slope, minlength=len(distinct))
        out[:] = (of_group[::-1].cumsum()[::-1] - of_group / 2.0)[group]
    return found
