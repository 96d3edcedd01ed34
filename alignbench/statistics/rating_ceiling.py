"""Noise ceilings of mean ratings: how well any model could correlate with ratings that are uncertain themselves.

A mean rating is the true one plus an error whose standard deviation is its standard error. Reliability, the share of
the ratings' variance that is of true ones, is 1 - mean(error^2) / variance. Its root is the correlation (Pearson's) of
a perfect model with the ratings (Spearman, 1904). For Spearman's, ratings are drawn in towards their mean until their
variance is that of true ones, and get their error once more: its expectation under normal errors is exact, from the
expected ranks. Adding errors to the ratings as they are would count them twice.

Ratings of pictures of different contents need no common scale: what a ceiling of all of them together takes for truth
holds differences of scale too, so that it is an upper bound. The headline is the mean of the ceilings of the clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import cluster_weights, interval
from alignbench.statistics.scores import Scores, rating_replicates

FEWEST_RATINGS = 20  # of a cluster: from fewer, reliability is told so badly that the ceiling is too low
_BLOCK = 2**20  # numbers of a block: 8 MB
_NO_ERROR = 1e-300  # parts what differs, and leaves what ties


@dataclass(frozen=True, eq=False)
class MeanRatings:
    """Mean ratings and how uncertain they are.

    Attributes:
        values: (n,).
        errors: Their standard errors, in the same unit, (n,).
        clusters: Cluster of each (its reference image), (n,).

    Raises:
        DataError: If an error is negative or not finite, or all are 0.
    """

    values: Floats
    errors: Floats
    clusters: Indices

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~((self.errors >= 0.0) & np.isfinite(self.errors)))
        if len(wrong):
            raise DataError(
                f"the standard error of rating {wrong[0] + 1} is {self.errors[wrong[0]]:g}, and it can neither be "
                "negative nor infinite nor lacking: download the file again"
            )
        if not self.errors.any():
            raise DataError("all standard errors of the ratings are 0, as if nobody erred: download the file again")

    def of(self, cluster: int) -> MeanRatings:
        """The ratings of one cluster."""
        rows = self.clusters == cluster
        return MeanRatings(self.values[rows], self.errors[rows], self.clusters[rows])


def reliability(ratings: MeanRatings) -> float:
    """Share of the variance of ratings that is of true ones, at most 1; not above 0 where it cannot be told."""
    spread = float(ratings.values.var(ddof=1))
    return 1.0 - float((ratings.errors**2).mean()) / spread if spread > 0.0 else -np.inf


def pearson_ceiling(ratings: MeanRatings) -> float:
    """Correlation of the true ratings with the mean ratings: the root of their reliability.

    Raises:
        DataError: See `spearman_ceiling`.
    """
    return float(np.sqrt(_reliable(ratings)))


def spearman_ceiling(ratings: MeanRatings) -> float:
    """Expected rank correlation of the true ratings with the mean ratings.

    Raises:
        DataError: If there are fewer than `FEWEST_RATINGS`, or their reliability is not above 0.
    """
    true = np.sqrt(_reliable(ratings)) * (ratings.values - ratings.values.mean())
    count = len(true)
    ranks = rankdata(true) - (count + 1.0) / 2.0
    expected = _expected_ranks(true, ratings.errors)
    _, ties = np.unique(true[ratings.errors == 0.0], return_counts=True)  # no error ever parts these
    squares = (count**3 - count - (ties.astype(np.float64) ** 3 - ties).sum()) / 12.0
    return float(ranks @ expected / np.sqrt((ranks @ ranks) * squares))


def _reliable(ratings: MeanRatings) -> float:
    count = len(ratings.values)
    if count < FEWEST_RATINGS:
        raise DataError(
            f"{count} ratings, and a noise ceiling needs {FEWEST_RATINGS} of a reference at least: score a larger "
            "subset"
        )
    found = reliability(ratings)
    if found <= 0.0:
        raise DataError(
            f"{count} ratings differ by no more than their standard errors "
            f"(reliability {found:.2f}, and it must be above 0): score a larger subset"
        )
    return found


def _expected_ranks(true: Floats, errors: Floats) -> Floats:
    """Expected ranks, less 1/2, of numbers with independent normal errors: sum over j of P(number j is below i), (n,).

    Half of a number counts for itself, and for one that it always ties with.
    """
    found = np.zeros_like(true)
    squares, count = np.maximum(errors**2, _NO_ERROR), len(true)
    size = max(1, _BLOCK // count)
    for start in range(0, count, size):
        end = min(start + size, count)
        scale = np.sqrt(squares[start:end, None] + squares[start:])
        above = ndtr((true[start:end, None] - true[start:]) / scale)  # of each pair once
        found[start:end] += above.sum(axis=1)
        found[end:] += (end - start) - above[:, end - start :].sum(axis=0)
    return found


def score_rating_ceilings(distances: Floats, ratings: MeanRatings, seed: int = 0) -> list[Scores]:
    """Noise ceilings of ratings, and the share of the headline that distances reach, for each curve.

    Args:
        distances: (curves, n).
        ratings: What people said.
        seed: Seed of the bootstrap.

    Returns:
        `ceiling_spearman_within`, the mean over clusters of the ceiling of each; `ceiling_spearman` and
        `ceiling_pearson` of all ratings together, upper bounds without intervals; `spearman_within_of_ceiling`,
        `spearman_within` / `ceiling_spearman_within`, which is not cut off at 1.

    Raises:
        DataError: If a cluster has no ceiling, see `spearman_ceiling`; names it by its number.
    """
    clusters = np.unique(ratings.clusters)
    of_clusters = np.array([_named(ratings, int(cluster)) for cluster in clusters])
    arguments = distances, ratings.values, ratings.clusters, seed
    replicates, kind = rating_replicates(*arguments, ("spearman_within",))
    weights, _ = cluster_weights(len(clusters), seed)
    ceiling = (weights @ of_clusters / weights.sum(axis=1))[None]
    share = replicates["spearman_within"] / ceiling

    def scores(metric: str, values: Floats, ends: tuple[Floats, Floats]) -> Scores:
        return Scores(metric, values, *ends, len(clusters), kind).repeated(len(distances) // len(values))

    nothing = np.array([np.nan])
    pooled = {"ceiling_spearman": spearman_ceiling(ratings), "ceiling_pearson": pearson_ceiling(ratings)}
    return [
        scores("ceiling_spearman_within", ceiling[:, 0], interval(ceiling[:, 0], ceiling[:, 1:], kind, fisher=True)),
        *(scores(metric, np.array([value]), (nothing, nothing)) for metric, value in pooled.items()),
        scores("spearman_within_of_ceiling", share[:, 0], interval(share[:, 0], share[:, 1:], kind)),
    ]


def _named(ratings: MeanRatings, cluster: int) -> float:
    try:
        return spearman_ceiling(ratings.of(cluster))
    except DataError as error:
        raise DataError(f"reference {cluster}: {error}") from error
