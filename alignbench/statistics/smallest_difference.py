"""The smallest difference that could be shown: what a comparison had the power to see, if it was there."""

from __future__ import annotations

import numpy as np
from scipy import stats

from alignbench.arrays import Floats
from alignbench.statistics.bootstrap import CONFIDENCE, IntervalKind

POWER = 0.8


def smallest_difference(error: float, degrees: float, level: float = CONFIDENCE) -> float:
    """(t + z) x error: a true difference that leads to an interval without 0 in about four of five studies.

    t is the quantile of the interval and z that of a power of 80 % (Cohen, 1988; Bloom, 1995). With few degrees of
    freedom the power is a little less, 78 % at 5.

    Args:
        error: Standard error of the paired difference, in the unit of the score.
        degrees: Its degrees of freedom; infinite where it is known.
        level: Level of the interval.

    Returns:
        In the unit of the score; not a number where the error is not one.
    """
    return float((stats.t.isf((1.0 - level) / 2.0, degrees) + stats.norm.ppf(POWER)) * error)


def smallest_of_replicates(differences: Floats, kind: IntervalKind, clusters: int) -> float:
    """The smallest difference of a comparison by resampled clusters, see `smallest_difference`.

    Args:
        differences: The difference, then its replicates, (1 + replicates,).
        kind: How these were made.
        clusters: Number of clusters; the degrees of freedom are one less.

    Returns:
        In the unit of the score; not a number where there is no interval.
    """
    replicates = differences[1:][np.isfinite(differences[1:])]
    count = len(replicates)
    if kind == "none" or count < 2 or not np.isfinite(differences[0]):
        return float("nan")
    spread = float(replicates.std())
    error = spread * np.sqrt(count - 1) if kind == "cluster jackknife t" else spread
    return smallest_difference(error, clusters - 1.0)
