"""Correlations with ratings of pairs of pictures: pairs share pictures, and the same subjects rate many pairs.

Over pictures each two pairs with one in common count once, see `shared_objects`. Where it is known what each subject
said, pictures and subjects are crossed factors:

    V = V_pictures + V_subjects - V_both

V_subjects is that of a jackknife of subjects, V_both the sum over every two ratings of one subject whose pairs share a
picture, which the other two both count (two-way clustering: Cameron, Gelbach and Miller, 2011). The two-factor
bootstrap of Schuett et al. (eLife, 2023) estimates the same sum for correlations of similarity matrices, and holds it
between the larger of the first two and their sum, as is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.statistics import influences
from alignbench.statistics.bootstrap import SUBJECTS, IntervalKind
from alignbench.statistics.correlations import pearson
from alignbench.statistics.object_variance import ObjectVariance
from alignbench.statistics.scores import Scores, correlations_with_intervals
from alignbench.statistics.shared_objects import ObjectSums, SharedObjects

Rated = Callable[[Floats], tuple[Floats, Floats]]
"""Scores of curves against ratings, (n,): their values, (curves,), and what each pair adds to them, (curves, n)."""


@dataclass(frozen=True, eq=False)
class PicturesAndSubjects:
    """The pictures of pairs, and the subjects who rated them.

    Attributes:
        pictures: The pictures of each of n pairs.
        ratings: What each subject said, (n, subjects); not a number where one did not rate a pair.

    Raises:
        DataError: If a pair has fewer than two ratings, so that it would have none without a subject.
    """

    pictures: SharedObjects
    ratings: Floats

    def __post_init__(self) -> None:
        fewest = int(np.isfinite(self.ratings).sum(axis=1).min(initial=0 if not self.ratings.size else 2))
        if len(self.ratings) != self.pictures.judgments or fewest < 2:
            raise DataError(
                f"{self.pictures.judgments} pairs with {len(self.ratings)} rows of ratings, {fewest} in one of them: "
                "subjects can be left out in turn where each pair has two ratings at least"
            )

    def without_each(self) -> Iterator[Floats]:
        """Yield for each subject the mean ratings of the others, (n,)."""
        for subject in range(self.ratings.shape[1]):
            yield np.nanmean(np.delete(self.ratings, subject, axis=1), axis=1)


Varying = Indices | SharedObjects | PicturesAndSubjects


def varying(clusters: Indices, subject_ratings: Floats | None = None) -> Varying:
    """What intervals are over.

    Args:
        clusters: The cluster of each judgment, (n, 1), or its objects, (n, m).
        subject_ratings: What each subject said, (n, subjects), where that is known.

    Returns:
        Clusters as they are, objects, or objects and subjects.
    """
    if clusters.shape[1] == 1:
        return clusters
    shared = SharedObjects(clusters)
    return shared if subject_ratings is None else PicturesAndSubjects(shared, subject_ratings)


def objects_of(among: SharedObjects | PicturesAndSubjects) -> SharedObjects:
    """The objects, as the pictures of pairs, in what varies."""
    return among if isinstance(among, SharedObjects) else among.pictures


# -------------------------------------------------------------------------------------------------- variance


@dataclass(frozen=True, eq=False)
class CrossedSums:
    """What the variance of weighted sums of scores over pictures and subjects follows from, see `ObjectSums`.

    Attributes:
        pictures: Sums over pictures, with the subjects as they are.
        subjects: What each subject adds to the deviation of each score, (curves, subjects).
        both: The part of the covariance that both hold, (curves, curves).
    """

    pictures: ObjectSums
    subjects: Floats
    both: Floats

    @property
    def kind(self) -> IntervalKind:
        """How intervals are made."""
        return SUBJECTS if self.pictures.kind != "none" else "none"

    def combined(self, weights: Floats) -> CrossedSums:
        """Those of weighted sums of the scores; `weights` are (sums, curves)."""
        used = np.flatnonzero(weights.any(axis=0))
        some = weights[:, used]
        both = some @ self.both[np.ix_(used, used)] @ some.T
        return CrossedSums(self.pictures.combined(weights), some @ self.subjects[used], both)

    def variance(self) -> ObjectVariance:
        """The variances; degrees of freedom are Satterthwaite's (1946) of the first two terms."""
        over, count = self.pictures.variance(), self.subjects.shape[1]
        of_subjects = count / (count - 1.0) * self.subjects @ self.subjects.T
        one, other = np.diag(over.covariance), np.diag(of_subjects)
        whole = over.covariance + of_subjects - self.both
        np.fill_diagonal(whole, np.clip(np.diag(whole), np.maximum(one, other), one + other))
        with np.errstate(divide="ignore", invalid="ignore"):
            degrees = np.diag(whole) ** 2 / (one**2 / over.degrees + other**2 / (count - 1.0))
        degrees = np.where(np.diag(whole) == 0.0, over.degrees, degrees)
        found = ObjectVariance.of(whole, over.covariance, np.zeros(len(one), dtype=np.bool_), degrees)
        return replace(found, floored=over.floored)


def sums_of_ratings(
    rated: Rated, human: Floats, among: SharedObjects | PicturesAndSubjects
) -> tuple[Floats, ObjectSums | CrossedSums]:
    """Scores of curves, (curves,), and what the variance of their weighted sums follows from.

    Args:
        rated: Scores against ratings.
        human: The mean rating of each pair, (n,).
        among: What varies.
    """
    values, adds = rated(human)
    if isinstance(among, SharedObjects):
        return values, among.sums(adds)
    return values, _crossed(rated, among, among.pictures.sums(adds))


def _crossed(rated: Rated, among: PicturesAndSubjects, sums: ObjectSums) -> CrossedSums:
    """Leave out each subject; what a pair then adds is other than before as far as its pictures and subjects interact.

    The sums of deviations from a mean are those of all less those of the mean.
    """
    count = among.ratings.shape[1]
    values, mean, once = [], np.zeros(1), np.zeros(1)
    for ratings in among.without_each():
        value, adds = rated(ratings)
        values.append(value)
        mean, once = mean + adds / count, once + among.pictures.sums(adds).once
    others = np.stack(values, axis=1)
    left = (count - 1.0) / count
    both = left * (once - count * among.pictures.sums(mean).once) / (sums.apart[0] or np.nan)
    return CrossedSums(sums, -left * (others - others.mean(axis=1, keepdims=True)), np.asarray(both))


# ---------------------------------------------------------------------------------------------------- scores


def rank_correlations(closeness: Floats) -> Rated:
    """Spearman's correlations of ratings with curves, (curves, n); not a number where a curve is constant."""
    ranked = influences.Ranked.of(closeness)
    return lambda ratings: influences.rank_correlations(ranked, influences.Ranked.of(ratings[None]))


def linear_correlations(closeness: Floats) -> Rated:
    """Pearson's correlations, likewise."""
    constant = np.ptp(closeness, axis=1) == 0.0

    def rated(ratings: Floats) -> tuple[Floats, Floats]:
        alone = np.zeros(len(ratings), dtype=np.int64)  # all of them one cluster, which counts once
        values = pearson(closeness, ratings, alone, np.ones((1, 1)))[:, 0]
        return np.where(constant, np.nan, values), influences.pearson_influences(closeness, ratings)

    return rated


def score_rated_pairs(distances: Floats, ratings: Floats, among: SharedObjects | PicturesAndSubjects) -> list[Scores]:
    """Spearman's and Pearson's correlation of minus the distance with the rating, with t intervals on Fisher's z.

    Args:
        distances: (curves, n).
        ratings: The mean rating of each pair, (n,).
        among: What varies.
    """
    found = []
    for metric, make in (("spearman", rank_correlations), ("pearson", linear_correlations)):
        values, sums = sums_of_ratings(make(-distances), ratings, among)
        found.append(correlations_with_intervals(metric, values, sums.variance(), (objects_of(among).count, sums.kind)))
    return found
