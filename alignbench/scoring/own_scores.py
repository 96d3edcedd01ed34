"""The score by which a level is known, alone: Spearman's correlation with ratings, or the share of choices."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from alignbench.arrays import Floats
from alignbench.distances.protocols import Protocol
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.scores import agreement
from alignbench.statistics.agreement import Curves

RATED, CHOSEN = "spearman", "accuracy"


def own_measure(part: JudgedPart) -> str:
    """The name of the score."""
    return RATED if part.kind == "rating" else CHOSEN


def own_scores(part: JudgedPart, distances: Curves, rules: Protocol) -> Floats:
    """Score many curves without intervals, by the level's own metric.

    Args:
        part: What people said.
        distances: Distances of all pairs, (curves, pairs).
        rules: Whether a tie of choices is wrong or shared.

    Returns:
        (curves,): Spearman's correlation of ratings, not a number where distances or ratings are all equal; else the
        accuracy.
    """
    if part.kind != "rating":
        return np.array([right.mean(dtype=np.float64) for right in agreement(part, distances, rules)])
    said = standard_ranks(part.human)
    return np.array([standard_ranks(-curve[part.options[:, 0]]) @ said for curve in distances])


def standard_ranks(values: Floats) -> Floats:
    """Average ranks less their mean, of length 1, (n,); not numbers where all values are equal."""
    ranks = rankdata(values)
    ranks -= ranks.mean()
    length = np.linalg.norm(ranks)
    return np.asarray(ranks / length if length > 0.0 else np.full(len(ranks), np.nan))
