"""Noise ceilings of ratings of pairs by several subjects: how far subjects agree with each other.

Two quantities have ceilings of their own. Of the mean over subjects of the correlation with each one: the mean of their
correlations with the mean of the others, which is too low, and with the mean of all, which is too high (Nili et al.,
2014). Of the correlation with their mean ratings: the root of the reliability of the mean of k subjects,
k r / (1 + (k - 1) r) with r the mean correlation of two (Spearman, 1910; Brown, 1910).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.errors import DataError
from alignbench.statistics.correlations import spearman
from alignbench.statistics.scores import Scores

_FEWEST = 3  # pairs that a correlation takes


def score_subject_ceilings(distances: Floats, ratings: Floats, pictures: int) -> list[Scores]:
    """Noise ceilings by Spearman's correlation, and what they are ceilings of. They have no intervals.

    Args:
        distances: (curves, n).
        ratings: What each subject said, (n, subjects); not a number where one did not rate a pair.
        pictures: Number of pictures.

    Returns:
        `spearman_subjects`, the mean over subjects of each curve's correlation with the ratings of one, and its
        ceilings `ceiling_subjects_loo` and `ceiling_subjects_all`; `ceiling_spearman_of_mean`, that of the correlation
        with the mean ratings.

    Raises:
        DataError: If a subject rated too few pairs or all alike, or subjects do not agree.
    """
    count, known = ratings.shape[1], np.isfinite(ratings)
    for subject in range(count):
        if known[:, subject].sum() < _FEWEST or np.ptp(ratings[known[:, subject], subject]) == 0.0:
            raise DataError(f"subject {subject + 1} of {count} rated fewer than {_FEWEST} pairs, or all of them alike")
    each = np.mean([_over(known[:, one], -distances, ratings[:, one]) for one in range(count)], axis=0)
    every = np.nanmean(ratings, axis=1)
    found: dict[str, list[float]] = {"ceiling_subjects_loo": [], "ceiling_subjects_all": []}
    for one in range(count):
        others = np.delete(ratings, one, axis=1)
        both = known[:, one] & np.isfinite(others).any(axis=1)
        rest = np.where(both, np.nansum(others, axis=1) / np.maximum(np.isfinite(others).sum(axis=1), 1), np.nan)
        found["ceiling_subjects_loo"].append(_agree(both, rest, ratings[:, one]))
        found["ceiling_subjects_all"].append(_agree(known[:, one], every, ratings[:, one]))
    ceilings = {metric: float(np.mean(values)) for metric, values in found.items()}
    ceilings["ceiling_spearman_of_mean"] = _of_mean(ratings, known)
    values = {"spearman_subjects": each} | {name: np.full(len(each), value) for name, value in ceilings.items()}
    nothing = np.full(len(each), np.nan)
    return [Scores(metric, value, nothing, nothing, pictures, "none") for metric, value in values.items()]


def _of_mean(ratings: Floats, known: NDArray[np.bool_]) -> float:
    """The expected correlation of the true ratings with the mean of these."""
    count = ratings.shape[1]
    pairs = [
        _agree(known[:, one] & known[:, other], ratings[:, one], ratings[:, other])
        for one, other in combinations(range(count), 2)
    ]
    mean = float(np.mean(pairs))
    if not mean > 0.0:
        raise DataError(f"the ratings of two subjects correlate at {mean:.2f} in the mean, and it must be above 0")
    return float(np.sqrt(count * mean / (1.0 + (count - 1.0) * mean)))


def _agree(rows: NDArray[np.bool_], one: Floats, other: Floats) -> float:
    return float(_over(rows, one[None], other)[0])


def _over(rows: NDArray[np.bool_], closeness: Floats, ratings: Floats) -> Floats:
    """Rank correlations over some pairs, (curves,)."""
    if rows.sum() < _FEWEST:
        raise DataError(f"two subjects share fewer than {_FEWEST} pairs")
    alone = np.zeros(int(rows.sum()), dtype=np.int64)  # all of them one cluster, which counts once
    return spearman(closeness[:, rows], ratings[rows], alone, np.ones((1, 1)))[:, 0]
