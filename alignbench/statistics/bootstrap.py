"""Resampling of judgments by cluster: weights of clusters, and intervals and p-values from what they give.

With 100 clusters or more it is a percentile bootstrap; with fewer, where that one is too narrow, a jackknife t interval
(on Fisher's z for correlations). Every score is a function of cluster weights w: all ones give the score itself, counts
a bootstrap resample, and ones with a single zero a jackknife replicate.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from scipy import stats

from alignbench.arrays import Floats

IntervalKind = Literal[
    "percentile cluster bootstrap",
    "cluster jackknife t",
    "objects counted once t",
    "pictures and subjects crossed t",
    "triplets and participants crossed t",
    "none",
]

OBJECTS: Final[IntervalKind] = "objects counted once t"
SUBJECTS: Final[IntervalKind] = "pictures and subjects crossed t"
PARTICIPANTS: Final[IntervalKind] = "triplets and participants crossed t"
FEWEST_FOR_BOOTSTRAP = 100
RESAMPLES = 1000
CONFIDENCE = 0.95


def cluster_weights(count: int, seed: int) -> tuple[Floats, IntervalKind]:
    """Rows of cluster weights, (1 + replicates, clusters), the data themselves first; and how the others were made."""
    if count < 2:
        return np.ones((1, count)), "none"
    if count < FEWEST_FOR_BOOTSTRAP:
        return np.concatenate([np.ones((1, count)), 1.0 - np.eye(count)]), "cluster jackknife t"
    rng = np.random.default_rng(seed)
    weights = np.ones((1 + RESAMPLES, count))
    for row in weights[1:]:
        row[:] = np.bincount(rng.integers(0, count, count), minlength=count)
    return weights, "percentile cluster bootstrap"


def interval(value: Floats, replicates: Floats, kind: IntervalKind, fisher: bool = False) -> tuple[Floats, Floats]:
    """Ends of the interval.

    Args:
        value: The score, (curves,).
        replicates: The score in each replicate, (curves, replicates).
        kind: How the replicates were made; a bootstrap resample without a score says nothing and is left out.
        fisher: Whether to work on Fisher's z (jackknife only).

    Returns:
        Lower and upper ends, (curves,) each; not a number where there is no interval.
    """
    nothing = np.full_like(value, np.nan)
    if kind == "none":
        return nothing, nothing
    if kind != "cluster jackknife t":
        tails = [0.5 - CONFIDENCE / 2.0, 0.5 + CONFIDENCE / 2.0]
        ends = [
            np.quantile(row[np.isfinite(row)], tails) if np.isfinite(row).any() else [np.nan] * 2 for row in replicates
        ]
        low, high = np.array(ends).T
        return low, high
    count = replicates.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, pseudo = (np.arctanh(value), np.arctanh(replicates)) if fisher else (value, replicates)
        spread = ((pseudo - pseudo.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        reach = stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * np.sqrt((count - 1) / count * spread)
        low, high = centre - reach, centre + reach
    if fisher:
        perfect = np.isclose(replicates, value[:, None], rtol=0.0, atol=1e-12).all(axis=1)  # where z may be infinite
        return np.where(perfect, value, np.tanh(low)), np.where(perfect, value, np.tanh(high))
    return low, high


def p_value(value: float, replicates: Floats, kind: IntervalKind) -> float:
    """Two-sided p-value of a difference against 0, by the rule of its interval.

    Args:
        value: The difference.
        replicates: The difference in each replicate, (replicates,).
        kind: How they were made.

    Returns:
        From the t statistic of a jackknife; of a bootstrap twice the smaller share of resamples on one side of 0, each
        share (1 + count) / (1 + resamples with a score). Where no resample lies on that side, the normal tail of the
        bootstrap's standard error, if that is smaller: a thousand resamples cannot tell p-values below 0.002 apart, and
        a table's correction needs them. Not a number where there is no interval.
    """
    if kind == "none" or np.isnan(value):
        return float("nan")
    count = len(replicates)
    if kind == "cluster jackknife t":
        error = np.sqrt((count - 1) / count * ((replicates - replicates.mean()) ** 2).sum())
        if error == 0.0:
            return 1.0 if value == 0.0 else 0.0
        return float(2.0 * stats.t.sf(abs(value) / error, count - 1))
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return float("nan")
    shares = [(1 + np.count_nonzero(side)) / (1 + len(known)) for side in (known <= 0.0, known >= 0.0)]
    p = float(min(1.0, 2.0 * min(shares)))
    spread = float(known.std())
    all_on_one_side = min(np.count_nonzero(known <= 0.0), np.count_nonzero(known >= 0.0)) == 0
    return min(p, float(2.0 * stats.norm.sf(abs(value) / spread))) if all_on_one_side and spread > 0.0 else p


def holm(p_values: Floats) -> Floats:
    """p-values adjusted for their number by Holm's step-down rule (1979); those that are not a number stay so."""
    adjusted = np.full_like(p_values, np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
