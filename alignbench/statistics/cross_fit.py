"""The score of the layer that the data choose: a layer is chosen on some judgments and scored on others.

That is another quantity than the score of the best layer: where a curve is flat or judgments are few, the data choose
one that is not the best. It is an estimate, not a test: whether two models differ, `selection.best_layers` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.joint import Estimates, TwoCurves

FOLDS = 5
PARTITIONS = 20
_SEED = 0


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A cross-fitted score, or a difference of two.

    Attributes:
        value: Its mean over partitions.
        error: Standard error, of a jackknife of the whole procedure over clusters (or objects). Where curves are flat,
            leaving one out may change the choice, and it comes out too large rather than too small.
        low: Lower end of the interval.
        high: Upper end.
        share: Share of the judgments that a partition uses.
    """

    target: ClassVar[str] = "the score of the layer that the data choose"
    value: float
    error: float
    low: float
    high: float
    share: float


def cross_fitted(curve: Estimates) -> CrossFitted:
    """Choose a layer on four fifths of the clusters, score it on the fifth, for each fifth of 20 random partitions.

    Both are done on pseudo-values of each layer's score, value + clusters x influence: a rank correlation inside a few
    clusters is another quantity than that over all.

    Args:
        curve: Layers with influences of clusters. Those without a score are left out.

    Raises:
        DataError: If influences are not known, there are fewer than three clusters, or no layer has a score.
    """
    return _summary(_deletions(curve), 1.0)


def cross_fitted_difference(curves: TwoCurves) -> CrossFitted:
    """The first model's cross-fitted score minus the second's, in the same partitions; errors as for `cross_fitted`."""
    return _summary(_deletions(curves.first) - _deletions(curves.second), 1.0)


def cross_fitted_by_objects(right: NDArray[Any], objects: Indices) -> CrossFitted:
    """Choose a layer on the judgments inside a random half of the objects, score it on those inside the other half.

    Judgments with objects of both halves are not used: of triplets, a quarter is. The mean over both directions and 20
    halvings is taken; its jackknife leaves out one object with its judgments, which counts what is noise of single
    judgments once for each of their objects: the error is too large rather than too small.

    Args:
        right: How far each layer agrees with each judgment, (layers, n).
        objects: Objects of each judgment, (n, m).

    Raises:
        DataError: If a half holds no judgments once an object is left out.
    """
    return _summary(*_object_deletions(right, objects))


def cross_fitted_difference_by_objects(
    first: NDArray[Any], second: NDArray[Any], objects: Indices
) -> tuple[CrossFitted, tuple[float, float]]:
    """The first model's score minus the second's, in the same halves; arguments and errors as above.

    Returns:
        The difference, and the two scores.
    """
    (one, share), (other, _) = (_object_deletions(right, objects) for right in (first, second))
    return _summary(one - other, share), (float(one[0]), float(other[0]))


def _object_deletions(right: NDArray[Any], objects: Indices) -> tuple[Floats, float]:
    """The cross-fitted score of all objects, and without each, (1 + objects,); and the share of judgments used."""
    numbers, distinct = pd.factorize(objects.ravel(), sort=True)
    members = np.sort(numbers.reshape(objects.shape), axis=1)
    count, rng = len(distinct), np.random.default_rng(_SEED)
    found, used = np.zeros(1 + count), 0.0
    for _ in range(PARTITIONS):
        half = rng.permutation(count) % 2
        sides = [_inside(right, members, half == side, count) for side in (0, 1)]
        for (scores, _), (others, size) in (sides, sides[::-1]):
            best = scores.argmax(axis=0)
            found += others[best, np.arange(1 + count)] / (2 * PARTITIONS)
            used += size / members.shape[0] / PARTITIONS
    return found, used


def _inside(right: NDArray[Any], members: Indices, half: NDArray[np.bool_], count: int) -> tuple[Floats, int]:
    """Mean agreement of the judgments inside a half, (layers, 1 + objects): of all, and without each object.

    Returns:
        The means, and the number of judgments.
    """
    inside = np.flatnonzero(half[members].all(axis=1))
    named = members[inside]
    # An object that is in a judgment twice leaves with it once.
    named = np.where(np.diff(named, axis=1, prepend=-1) > 0, named, count)

    def without(values: NDArray[Any]) -> Floats:
        lost = sum(np.bincount(column, values, minlength=1 + count)[:count] for column in named.T)
        return float(values.sum()) - np.concatenate([[0.0], np.asarray(lost, dtype=np.float64)])

    sizes = without(np.ones(len(inside)))
    if not sizes.min() > 0.5:
        raise DataError(
            f"half of the {count} objects holds too few judgments to choose a layer on: cross-fit by triplet instead"
        )
    return np.stack([without(row[inside]) for row in right]) / sizes, len(inside)


def _deletions(curve: Estimates) -> Floats:
    """The cross-fitted score of all clusters, and without each, (1 + clusters,)."""
    if curve.influences is None:
        raise DataError("cross-fitting needs the influences of clusters, which resamples do not give")
    kept = np.flatnonzero(np.isfinite(curve.value))
    clusters = curve.influences.shape[1]
    if not len(kept) or clusters < 3:
        raise DataError(f"{len(kept)} layers with a score on {clusters} clusters: cross-fitting needs 1 and 3")
    pseudo = curve.value[kept, None] + clusters * curve.influences[kept]
    return np.asarray(sum(_of_partition(pseudo, fold) for fold in _partitions(clusters)) / PARTITIONS)


def _partitions(clusters: int) -> Iterator[Indices]:
    rng = np.random.default_rng(_SEED)
    for _ in range(PARTITIONS):
        yield rng.permutation(clusters) % min(FOLDS, clusters)


def _of_partition(pseudo: Floats, fold: Indices) -> Floats:
    """The cross-fitted mean in one partition, of all clusters and without each, (1 + clusters,)."""
    clusters = pseudo.shape[1]
    one, total = np.arange(clusters), pseudo.sum(axis=1)
    scored, less = np.zeros(1 + clusters), np.concatenate([[clusters], np.full(clusters, clusters - 1)])
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        held = pseudo[:, inside].sum(axis=1)
        chosen_on = np.repeat((total - held)[:, None], 1 + clusters, axis=1)
        chosen_on[:, 1:] -= np.where(inside, 0.0, pseudo)
        best = chosen_on.argmax(axis=0)
        scored += held[best]
        scored[1:] -= np.where(inside, pseudo[best[1:], one], 0.0)
    return np.asarray(scored / less)


def _summary(deletions: Floats, share: float) -> CrossFitted:
    value, others = float(deletions[0]), deletions[1:]
    count = len(others)
    error = float(np.sqrt((count - 1) / count * ((others - others.mean()) ** 2).sum()))
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1)) * error
    return CrossFitted(value, error, value - reach, value + reach, share)
