"""Curves of one or several runs scored on the same judgments: what is known of any difference of their scores.

What makes a judgment hard for both runs drops out of a difference. Scores of ratings and of choices by cluster are
resampled together; choices that share objects are counted by `shared_objects`, ratings of pairs by `rated_pairs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Protocol, Self

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.statistics.agreement import Curves, agreements
from alignbench.statistics.bootstrap import RESAMPLES, IntervalKind, interval, p_value
from alignbench.statistics.choice_scores import Resampled
from alignbench.statistics.influences import mean_influences
from alignbench.statistics.joint import Estimates, estimates, of_influences, weighted
from alignbench.statistics.object_variance import ObjectVariance
from alignbench.statistics.rated_pairs import (
    PicturesAndSubjects,
    Varying,
    objects_of,
    rank_correlations,
    sums_of_ratings,
    varying,
)
from alignbench.statistics.scores import rating_replicates
from alignbench.statistics.shared_objects import SharedObjects
from alignbench.statistics.smallest_difference import smallest_difference, smallest_of_replicates

CORRELATIONS: Final = (-1.0, 1.0)
"""The least and the most that a rank correlation can be."""
SHARES: Final = (0.0, 1.0)
"""The least and the most that a share of choices can be."""


@dataclass(frozen=True)
class Judged:
    """Distances of one run, and where its judgments find theirs.

    Attributes:
        distances: Distances of pairs, (curves, pairs).
        options: Pairs of each judgment, (n, k).
        kind: `rating`, `choice` or `preference`.
        share_ties: Whether tied choices are shared, as under the corrected protocol.
    """

    distances: Curves
    options: Indices
    kind: str
    share_ties: bool


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of scores, as the difference of two.

    Attributes:
        value: The sum.
        low: Lower end of its 95 % interval; not a number where there is none.
        high: Upper end.
        p: Two-sided p-value against 0.
        smallest: The smallest true value that would probably be seen, see `smallest_difference`.
        degrees: Degrees of freedom of its error; not a number where there is no interval.
        floored: Whether the interval may be too narrow, see `ObjectVariance.floored`.
    """

    value: float
    low: float
    high: float
    p: float
    smallest: float
    degrees: float
    floored: bool = False


class ScoredTogether(ABC):
    """Scores of all curves of some runs, one run's after another's.

    Attributes:
        value: (curves,).
        kind: How their error is known.
        clusters: How many clusters, or objects.
        limits: The least and the most that a score can be.
    """

    value: Floats
    kind: IntervalKind
    clusters: int
    limits: tuple[float, float]

    @abstractmethod
    def contrast(self, weights: Floats) -> Contrast:
        """A weighted sum of the scores; `weights` are (curves,)."""

    def possible(self, weights: Floats) -> tuple[float, float]:
        """The least and the most that a weighted sum of the scores can be; `weights` are (curves,)."""
        low, high = self.limits
        above, below = float(weights[weights > 0.0].sum()), float(weights[weights < 0.0].sum())
        return above * low + below * high, above * high + below * low

    def error(self, weights: Floats) -> float:
        """Standard error of a weighted sum of the scores; not a number where it is not known."""
        used = np.flatnonzero(weights)
        known = self.estimates(used).combined(weights[None, used])
        return float(np.sqrt(known.covariance[0, 0]))

    @abstractmethod
    def estimates(self, curves: Indices) -> Estimates:
        """Some of the scores with their covariance."""

    @abstractmethod
    def replicates(self, curves: Indices) -> Floats:
        """Some of the scores, then what they might have been, (some, 1 + replicates)."""


class ResampledScores(ScoredTogether):
    """Scores in the same resamples of clusters.

    Args:
        replicates: (curves, 1 + replicates), the scores themselves first.
        kind: What the replicates are.
        clusters: How many clusters.
        influences: What each cluster adds to the deviation of each score, (curves, clusters), where that is exact.
        limits: The least and the most that a score can be.
    """

    def __init__(
        self,
        replicates: Floats,
        kind: IntervalKind,
        clusters: int,
        influences: Floats | None = None,
        limits: tuple[float, float] = CORRELATIONS,
    ) -> None:
        self._replicates, self._influences, self.limits = replicates, influences, limits
        self.value, self.kind, self.clusters = replicates[:, 0], kind, clusters

    def contrast(self, weights: Floats) -> Contrast:
        """A weighted sum of the scores, by the rule of its replicates."""
        used = np.flatnonzero(weights)
        found = weighted(weights[used], self._replicates[used])
        (low,), (high,) = np.clip(interval(found[:1], found[None, 1:], self.kind), *self.possible(weights))
        p = p_value(float(found[0]), found[1:], self.kind)
        smallest = smallest_of_replicates(found, self.kind, self.clusters)
        degrees = np.nan if self.kind == "none" else self.clusters - 1.0
        return Contrast(float(found[0]), float(low), float(high), p, smallest, degrees)

    def estimates(self, curves: Indices) -> Estimates:
        """Some of the scores: from influences where these are exact, else from the replicates."""
        if self._influences is not None and self.kind != "none":
            return of_influences(self.value[curves], self._influences[curves])
        return estimates(self._replicates[curves], self.kind, self.clusters)

    def replicates(self, curves: Indices) -> Floats:
        """The replicates of some curves."""
        return self._replicates[curves]


class Sums(Protocol):
    """What the variance of weighted sums of scores follows from, see `ObjectSums`."""

    @property
    def kind(self) -> IntervalKind:
        """How intervals are made."""

    def combined(self, weights: Floats) -> Self:
        """Those of weighted sums of the scores; `weights` are (sums, curves)."""

    def variance(self) -> ObjectVariance:
        """The variances, and their covariance."""


class ObjectScores(ScoredTogether):
    """Scores over judgments of which each two that share an object count once.

    Args:
        sums: What the variance of weighted sums of the scores follows from.
        value: The scores, (curves,).
        count: How many objects.
        seed: Of `replicates`.
        limits: The least and the most that a score can be.
    """

    def __init__(
        self,
        sums: Sums,
        value: Floats,
        count: int,
        seed: int,
        limits: tuple[float, float] = SHARES,
    ) -> None:
        self._sums, self._seed = sums, seed
        self.value, self.clusters, self.limits = value, count, limits
        self.kind = sums.kind

    def contrast(self, weights: Floats) -> Contrast:
        """A weighted sum of the scores, with its own degrees of freedom."""
        used = np.flatnonzero(weights)
        value = weighted(weights[None, used], self.value[used])
        variance = self._sums.combined(weights[None]).variance()
        (low,), (high,) = np.clip(variance.interval(value), *self.possible(weights))
        (p,) = variance.p_value(value)
        degrees, floored = float(variance.degrees[0]), bool(variance.floored[0])
        smallest = smallest_difference(float(variance.error[0]), degrees)
        return Contrast(float(value[0]), float(low), float(high), float(p), smallest, degrees, floored)

    def estimates(self, curves: Indices) -> Estimates:
        """Some of the scores, with the fewest degrees of freedom of any."""
        variance = self._sums.combined(np.eye(len(self.value))[curves]).variance()
        return Estimates(self.value[curves], variance.covariance, variance.least_degrees)

    def replicates(self, curves: Indices) -> Floats:
        """Draws from the multivariate t distribution around the scores, as a bootstrap would give them."""
        variance = self._sums.combined(np.eye(len(self.value))[curves]).variance()
        drawn = variance.draws(np.random.default_rng(self._seed), RESAMPLES)
        return np.concatenate([self.value[curves, None], self.value[curves, None] + drawn.T], axis=1)


def score_together(runs: Iterable[Judged], human: Floats, clusters: Varying, seed: int) -> ScoredTogether:
    """Scores of runs on the same judgments.

    Args:
        runs: Their judgments in one order. Taken one after another: only what is scored is kept.
        human: What people said, (n,).
        clusters: What is resampled, (n, 1), or the objects of each judgment, (n, m), or these as `varying` gives them.
        seed: Seed of the bootstrap.
    """
    among = clusters if isinstance(clusters, SharedObjects | PicturesAndSubjects) else varying(clusters)
    if isinstance(among, SharedObjects | PicturesAndSubjects):
        return _over_objects(runs, human, among, seed)
    resampled = Resampled(among, seed)
    found, kinds = [], set()
    for run in runs:
        found.append(_by_cluster(run, human, among, seed, resampled))
        kinds.add(run.kind)
    influences = [each for _, each in found if each is not None]
    return ResampledScores(
        np.concatenate([replicates for replicates, _ in found]),
        resampled.kind,
        resampled.count,
        np.concatenate(influences) if len(influences) == len(found) else None,
        CORRELATIONS if "rating" in kinds else SHARES,
    )


def _over_objects(
    runs: Iterable[Judged], human: Floats, among: SharedObjects | PicturesAndSubjects, seed: int
) -> ObjectScores:
    """Accuracies of choices, one curve at a time, or rank correlations of ratings."""
    shared = objects_of(among)
    others = iter(runs)
    first = next(others)
    every = chain([first], others)
    if first.kind == "rating":
        rated = np.concatenate([_rated(run) for run in every])
        found, sums = sums_of_ratings(rank_correlations(-rated), human, among)
        return ObjectScores(sums, found, shared.count, seed, CORRELATIONS)
    values: list[float] = []
    return ObjectScores(shared.sums(_influences(every, human, values)), np.array(values), shared.count, seed)


def _rated(run: Judged) -> Floats:
    """Distances of each rated pair, (curves, n)."""
    return np.stack([curve[run.options[:, 0]] for curve in run.distances])


def _by_cluster(
    run: Judged, human: Floats, clusters: Indices, seed: int, resampled: Resampled
) -> tuple[Floats, Floats | None]:
    """Replicates, and influences where scores are means."""
    if run.kind == "rating":
        return rating_replicates(_rated(run), human, clusters[:, 0], seed, ("spearman",))[0]["spearman"], None
    ratio = resampled.mean(agreements(run.distances, run.options, human, run.kind, run.share_ties))
    return resampled.replicates(ratio), ratio.residuals


def _influences(runs: Iterable[Judged], human: Floats, values: list[float]) -> Iterator[Floats]:
    """What each judgment adds to each accuracy, one curve at a time; the accuracies go into `values`."""
    for run in runs:
        for right in agreements(run.distances, run.options, human, run.kind, run.share_ties):
            values.append(float(right.mean(dtype=np.float64)))
            yield mean_influences(right)
