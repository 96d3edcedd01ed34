"""How well probabilities of choices foretell what people chose: log loss, calibration error and accuracy.

Each of the three is a mean over judgments, so that its interval is that of `statistics.shared_objects`: each two
judgments that share an object count once. Judgments of one triplet by several people all count, as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from alignbench.arrays import Floats, Indices
from alignbench.errors import AlignbenchError
from alignbench.statistics.influences import mean_influences
from alignbench.statistics.shared_objects import SharedObjects

BINS: Final = 15  # of equal width from 0 to 1, as in Guo et al. (2017)
_DOUBLINGS: Final = 60  # of a scale: where it fits better and better, choices are separated


@dataclass(frozen=True)
class ChoiceScore:
    """One measure before and after, each with its 95 % interval over objects.

    Attributes:
        measure: `log_loss` (nats; ln 3 = 1.099 without knowledge), `calibration_error` or `accuracy`.
        before: The value before, and the lower and upper end of its interval.
        after: The value after, likewise.
        difference: After minus before, on the same judgments.
        p: P-value of the difference against 0.
    """

    measure: str
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    difference: tuple[float, float, float]
    p: float


def log_choices(similarities: Floats) -> Floats:
    """Logarithms of the softmax of three similarities, (n, 3)."""
    shifted = similarities - similarities.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def dot_products(features: NDArray[np.floating], triplets: Indices) -> Floats:
    """Dot products of the pairs (i, j), (i, k) and (j, k) of each triplet, (n, 3), in float64.

    Args:
        features: (objects, d); of those that triplets name all products are held.
        triplets: Object numbers, (n, 3).

    Raises:
        AlignbenchError: If one is not finite.
    """
    named, places = np.unique(triplets, return_inverse=True)
    i, j, k = places.reshape(triplets.shape).T
    x = np.asarray(features[named], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        products = x @ x.T
        found = np.stack([products[i, j], products[i, k], products[j, k]], axis=1)
    if not np.isfinite(found).all():
        raise AlignbenchError("dot products of features are not finite: the features are too large to be compared so")
    return found


def best_scale(similarities: Floats) -> float:
    """The factor a >= 0 by which softmax(a s) makes the first of three similarities most likely.

    The likelihood is concave in it, so that it is the root of the derivative; 0 where the first one is no larger than
    the others on the whole.

    Args:
        similarities: (n, 3), of the pair that people kept first.
    """
    size = float(np.abs(similarities - similarities.mean(axis=1, keepdims=True)).mean())
    if size == 0.0:
        return 0.0

    def slope(scale: float) -> float:
        p = np.exp(log_choices(scale * similarities))
        return float(((p * similarities).sum(axis=1) - similarities[:, 0]).mean() / size)

    if slope(0.0) >= 0.0:
        return 0.0
    high = 1.0 / size
    for _ in range(_DOUBLINGS):
        if slope(high) >= 0.0:
            return float(brentq(slope, 0.0, high))
        high *= 2.0
    return high


def judge_probabilities(before: Floats, after: Floats, triplets: Indices) -> list[ChoiceScore]:
    """Hold probabilities before and after against the choices that were made.

    Args:
        before: Logarithms of the probabilities of the pairs (i, j), (i, k) and (j, k), (n, 3); people kept the first.
        after: The same after, likewise.
        triplets: Object numbers, (n, 3), the odd one last.
    """
    shared = SharedObjects(triplets)
    return [_score(measure, of(before), of(after), shared) for measure, of in MEASURES.items()]


def _score(measure: str, before: Floats, after: Floats, shared: SharedObjects) -> ChoiceScore:
    sums = shared.sums([mean_influences(before), mean_influences(after)])
    means = np.array([before.mean(), after.mean()])
    ends: list[tuple[float, float, float]] = []
    for weights, least, most in (((1.0, 0.0), 0.0, _MOST[measure]), ((0.0, 1.0), 0.0, _MOST[measure]), _DIFFERENCE):
        variance = sums.combined(np.array([weights])).variance()
        value = np.array([np.dot(weights, means)])
        (low,), (high,) = (np.clip(end, least, most) for end in variance.interval(value))
        ends.append((float(value[0]), float(low), float(high)))
    before_ends, after_ends, difference = ends
    return ChoiceScore(measure, before_ends, after_ends, difference, float(variance.p_value(value)[0]))


def log_losses(logs: Floats) -> Floats:
    """Log loss of each judgment in nats, (n,): minus the logarithm of the probability of what was chosen."""
    return np.asarray(-logs[:, 0])


def calibration_errors(logs: Floats) -> Floats:
    """What each judgment adds to the calibration error, (n,): the error is the mean of these.

    All 3 n probabilities go into `BINS` bins of equal width from 0 to 1, whichever pair they are of (the pairs of a
    triplet have no order: classwise calibration error as in Nixon et al., 2019, of one class). The error is the sum
    over bins of |how many were chosen - the sum of the probabilities| / (3 n): 0 where pairs that are given 0.6 are
    chosen six times in ten. It is never below 0, so that it lies above its expectation where bins hold few; intervals
    hold the signs of the bins fixed.
    """
    p = np.exp(logs)
    places = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    excess = -p
    excess[:, 0] += 1.0
    signs = np.sign(np.bincount(places.ravel(), excess.ravel(), minlength=BINS))
    return np.asarray((signs[places] * excess).mean(axis=1))


def right_choices(logs: Floats) -> Floats:
    """Whether the pair that was chosen is the likeliest, (n,); a tie is wrong, as in the released code."""
    return np.asarray(logs[:, 0] > logs[:, 1:].max(axis=1), dtype=np.float64)


MEASURES: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "log_loss": log_losses,
    "calibration_error": calibration_errors,
    "accuracy": right_choices,
}
_MOST: Final = {"log_loss": np.inf, "calibration_error": 1.0, "accuracy": 1.0}
_DIFFERENCE: Final = (-1.0, 1.0), -np.inf, np.inf
