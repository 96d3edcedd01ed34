"""Scores that are functions of means and ratios over judgments, as accuracy and its share of a noise ceiling.

Judgments that belong to one cluster each are resampled by cluster. Where they share objects, each two with an object in
common count once, see `shared_objects`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.statistics.bootstrap import OBJECTS, IntervalKind, cluster_weights, interval
from alignbench.statistics.influences import mean_influences
from alignbench.statistics.scores import Scores
from alignbench.statistics.shared_objects import SharedObjects


@dataclass(frozen=True)
class Formula:
    """A score as a function of the mean of a curve's judgments, and of ratios that are the same for all curves.

    Attributes:
        metric: Its name.
        combine: The function, of the mean and the ratios, elementwise.
        gradient: Its partial derivatives, likewise.
        limits: The least and the most that it can be.
    """

    metric: str
    combine: Callable[..., Floats]
    gradient: Callable[..., tuple[Floats | float, ...]]
    limits: tuple[float, float] = (0.0, 1.0)


ACCURACY: Final = Formula("accuracy", lambda mean, *ratios: mean, lambda mean, *ratios: (1.0, *(0.0 for _ in ratios)))


def ratio_itself(metric: str, place: int) -> Formula:
    """One of the ratios, named by its place among them, as a score."""
    return Formula(
        metric,
        lambda mean, *ratios: ratios[place],
        lambda mean, *ratios: (0.0, *(float(other == place) for other in range(len(ratios)))),
    )


Sums = tuple[Floats, Floats]  # numerator and denominator of a ratio, by judgment, (n,) each


def score_choices(correct: Iterable[NDArray[Any]], clusters: Indices, seed: int = 0) -> Scores:
    """Share of correct choices.

    Args:
        correct: (n,) of each curve, 1 where right.
        clusters: (n, 1): the cluster of each judgment; or (n, m): the m objects of each.
        seed: Seed of the bootstrap.
    """
    return score_formulas(correct, (), (ACCURACY,), clusters, seed)[0]


def score_formulas(
    correct: Iterable[NDArray[Any]], ratios: Sequence[Sums], formulas: Sequence[Formula], clusters: Indices, seed: int
) -> list[Scores]:
    """Functions of the mean of each curve and of ratios, each with its interval.

    Args:
        correct: (n,) of each curve, from 0 to 1; one at a time is held.
        ratios: Ratios of sums over judgments.
        formulas: The functions.
        clusters: See `score_choices`.
        seed: Seed of the bootstrap.
    """
    if clusters.shape[1] > 1:
        return _over_objects(correct, ratios, formulas, clusters)
    resampled = Resampled(clusters, seed)
    mean, others = resampled.mean(correct), [resampled.ratio([above], below) for above, below in ratios]
    replicates = [resampled.replicates(ratio) for ratio in (mean, *others)]
    found = []
    for formula in formulas:
        values = np.broadcast_to(formula.combine(*replicates), replicates[0].shape)
        low, high = interval(values[:, 0], values[:, 1:], resampled.kind)
        low, high = np.clip(low, *formula.limits), np.clip(high, *formula.limits)
        found.append(Scores(formula.metric, values[:, 0], low, high, resampled.count, resampled.kind))
    return found


def _over_objects(
    correct: Iterable[NDArray[Any]], ratios: Sequence[Sums], formulas: Sequence[Formula], objects: Indices
) -> list[Scores]:
    """The same by the delta method on the variance over judgments that share objects."""
    shared = SharedObjects(objects)
    values = [float(above.sum() / below.sum()) for above, below in ratios]
    influences = [(above - value * below) / below.sum() for value, (above, below) in zip(values, ratios, strict=True)]
    rows: list[list[tuple[float, float, float, bool]]] = [[] for _ in formulas]
    for row in correct:
        mean = float(row.mean(dtype=np.float64))
        sums = shared.sums([mean_influences(row), *influences])
        for formula, into in zip(formulas, rows, strict=True):
            slopes = np.array(formula.gradient(mean, *values), dtype=np.float64)
            value = np.asarray(formula.combine(mean, *values), dtype=np.float64)[None]
            variance = sums.combined(slopes[None]).variance()
            (low,), (high,) = (np.clip(end, *formula.limits) for end in variance.interval(value))
            into.append((float(value[0]), float(low), float(high), bool(variance.floored[0])))
    kind: IntervalKind = OBJECTS if shared.share_apart > 0.0 else "none"
    found = []
    for formula, into in zip(formulas, rows, strict=True):
        value, low, high, floored = np.array(into, dtype=np.float64).reshape(-1, 4).T
        found.append(Scores(formula.metric, value, low, high, shared.count, kind, int(floored.sum())))
    return found


# -------------------------------------------------------------------------------------------------- by cluster


@dataclass(frozen=True)
class Ratio:
    """A ratio of sums over judgments, for several curves: the sums, and those over each cluster.

    Attributes:
        above: Numerators, (curves,); one for all curves is enough.
        below: The denominator.
        above_by_cluster: (curves, clusters).
        below_by_cluster: (clusters,).
    """

    above: Floats
    below: float
    above_by_cluster: Floats
    below_by_cluster: Floats

    @property
    def value(self) -> Floats:
        """The ratio, (curves,)."""
        return np.asarray(self.above / self.below)

    @property
    def residuals(self) -> Floats:
        """What each cluster adds to the deviation of the ratio from itself, (curves, clusters)."""
        return np.asarray((self.above_by_cluster - self.value[:, None] * self.below_by_cluster) / self.below)


class Resampled:
    """Judgments that are resampled by cluster, for ratios of sums over judgments.

    Args:
        clusters: The cluster of each judgment, (n, 1).
        seed: Seed of the bootstrap.
    """

    def __init__(self, clusters: Indices, seed: int) -> None:
        members, distinct = pd.factorize(clusters[:, 0], sort=True)
        self._members = members
        self.count = len(distinct)
        self.weights, self.kind = cluster_weights(self.count, seed)

    def ratio(self, numerators: Iterable[NDArray[Any]], denominator: Floats) -> Ratio:
        """A ratio of sums over judgments.

        Args:
            numerators: (n,) of each curve; one at a time is held.
            denominator: (n,).
        """
        sums = [(float(row.sum()), self._by_cluster(row)) for row in numerators]
        return Ratio(
            np.array([total for total, _ in sums]),
            float(denominator.sum()),
            np.stack([by_cluster for _, by_cluster in sums]),
            self._by_cluster(denominator),
        )

    def mean(self, values: Iterable[NDArray[Any]]) -> Ratio:
        """The mean over judgments as a ratio; `values` are (n,) of each curve."""
        return self.ratio(values, np.ones(len(self._members)))

    def replicates(self, ratio: Ratio) -> Floats:
        """A ratio and its replicates, (curves, 1 + replicates)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (ratio.above_by_cluster @ self.weights.T) / (ratio.below_by_cluster[None] @ self.weights.T)
            )

    def _by_cluster(self, values: NDArray[Any]) -> Floats:
        """Sums of the values of judgments over each cluster, (clusters,)."""
        return np.asarray(np.bincount(self._members, values, minlength=self.count), dtype=np.float64)
