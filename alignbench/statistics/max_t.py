"""The highest of several differences: what is known of it although which one is highest is read off the same judgments.

The highest of noisy values lies above the highest true one, and the highest in each resample lies higher still: neither
a chosen layer nor one chosen anew in each resample may be tested as if it had been named before. All differences are
therefore bounded at once (max-T; Westfall and Young, 1993), and the bounds of the highest follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from alignbench.arrays import Floats
from alignbench.statistics.bootstrap import CONFIDENCE, IntervalKind


@dataclass(frozen=True)
class Highest:
    """The highest of several differences.

    Attributes:
        value: As observed.
        low: Lower end of its interval, which holds whichever is truly the highest.
        high: Upper end.
        p: Two-sided p-value against none being above 0; not a number where there is no interval.
    """

    value: float
    low: float
    high: float
    p: float


def highest(differences: Floats, kind: IntervalKind) -> Highest:
    """The highest of several differences, with a simultaneous interval.

    Args:
        differences: (k, 1 + replicates), the differences themselves first; rows without a number are left out.
        kind: How the replicates were made. Of a bootstrap the largest studentised deviation among the k is resampled;
            of a jackknife the t quantile is Bonferroni's.
    """
    some = differences[np.isfinite(differences).all(axis=1)]
    if not len(some):
        return Highest(np.nan, np.nan, np.nan, np.nan)
    value = float(some[:, 0].max())
    if kind == "none":
        return Highest(value, np.nan, np.nan, np.nan)
    jackknife, count = kind == "cluster jackknife t", some.shape[1] - 1
    centred = some[:, 1:] - (some[:, 1:].mean(axis=1, keepdims=True) if jackknife else some[:, :1])
    error = np.sqrt((centred**2).sum(axis=1) * ((count - 1) / count if jackknife else 1.0 / count))
    varying = error > 0.0
    if not varying.any():
        return Highest(value, value, value, 1.0 if value <= 0.0 else 0.0)
    t = float((some[varying, 0] / error[varying]).max())
    if jackknife:
        reach = np.full(2, stats.t.ppf(1.0 - (1.0 - CONFIDENCE) / 2.0 / len(some), count - 1))
        p = 2.0 * len(some) * float(stats.t.sf(t, count - 1))
    else:
        scaled = centred[varying] / error[varying, None]
        largest = scaled.max(axis=0)
        share = 0.5 + CONFIDENCE / 2.0
        reach = np.array([np.quantile(largest, share), np.quantile((-scaled).max(axis=0), share)])
        beyond = np.count_nonzero(largest >= t)
        p = 2.0 * (1 + beyond) / (1 + count)
        if not beyond:  # so many resamples cannot tell smaller ones apart, and a table's correction needs them
            p = min(p, 2.0 * len(some) * float(stats.norm.sf(t)))
    low, high = (some[:, 0] - reach[0] * error).max(), (some[:, 0] + reach[1] * error).max()
    return Highest(value, float(low), float(high), min(1.0, p))
