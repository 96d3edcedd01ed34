"""Best layers although the same judgments choose them: whose is higher, and where a curve may peak.

The highest of noisy scores lies above the highest true one, the more so the flatter the curve. No layer is therefore
treated as chosen: all that might be the best are bounded together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.drawn_maxima import critical_values, p_values
from alignbench.statistics.joint import Deviations, Estimates, TwoCurves, differences, quantile, standard_errors

# ------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True)
class BestDifference:
    """How far the best layer of one model lies above that of another.

    Attributes:
        first: Number of the layer that scores highest in the first model.
        second: Number of that in the second.
        difference: Of their scores, as observed.
        low: Lower end of the interval of the difference of the highest true scores; not a number where there is none.
        high: Upper end.
        p: Two-sided p-value against equal ones.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def separable(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0.0 or self.high < 0.0

    def reversed(self) -> BestDifference:
        """The same with the second model as the first."""
        return BestDifference(self.second, self.first, 0.0 - self.difference, 0.0 - self.high, 0.0 - self.low, self.p)


def best_layers(curves: TwoCurves, level: float = CONFIDENCE) -> BestDifference:
    """Compare the best layers of two models, see `best_layers_at`."""
    return best_layers_at(curves, (level,))[0]


def best_layers_at(curves: TwoCurves, levels: Sequence[float]) -> list[BestDifference]:
    """Compare the best layers of two models, whichever they are, with an interval at each of several levels.

    Whether the best true A exceeds the best true B, A_l - B_m is bounded for all l at once, for one m (max-T, the
    covariance of all scores kept), and this must hold for every m, as any may be the best of B (Berger, 1982):
    low = min over m of max over l of low(l, m), high = max over l of min over m of high(l, m). Each end fails in at
    most 2.5 % of samples at a level of 95 %, less where several layers may be the best.

    Args:
        curves: Both models. Layers without a score are left out.
        levels: Levels of the intervals, which are of the same draws.

    Raises:
        DataError: If no layer of a model has a score.
    """
    kept = [np.flatnonzero(np.isfinite(curve.value)) for curve in (curves.first, curves.second)]
    for layers, name in zip(kept, ("first", "second"), strict=True):
        if not len(layers):
            raise DataError(f"no layer of the {name} model has a score (all distances equal?): nothing can be compared")
    count = len(kept[0])
    both = curves.both.some(np.concatenate([kept[0], curves.first_layers + kept[1]]))
    first, second = both.value[:count], both.value[count:]
    best = int(np.argmax(first)), int(np.argmax(second))
    found = float(first[best[0]] - second[best[1]])
    ends, p = [(np.nan, np.nan)] * len(levels), np.nan
    if both.is_known:
        upward, downward = _extremes(both, count)
        apart = differences(first, second)
        errors = standard_errors(both.covariance)[:count, count:]
        sides = ((upward, count), (downward, len(second)))
        for index, level in enumerate(levels):
            tail = (1.0 - level) / 2.0
            up, down = (critical_values(drawn, tail, both.degrees, many) for drawn, many in sides)
            low = float((apart - up * errors).max(axis=0).min())
            ends[index] = low, float((apart + down[:, None] * errors).min(axis=1).max())
        t = _studentised(apart, errors)
        above = p_values(t.max(axis=0), upward, both.degrees, count).max()
        below = p_values((-t).max(axis=1), downward, both.degrees, len(second)).max()
        p = min(1.0, 2.0 * float(min(above, below)))
    chosen = int(kept[0][best[0]]), int(kept[1][best[1]])
    return [BestDifference(*chosen, found, low, high, p) for low, high in ends]


def _extremes(both: Estimates, count: int) -> tuple[Floats, Floats]:
    """Draws of max over l of T(l, m) by m, and of max over m of -T(l, m) by l, each (draws, layers)."""
    upward, downward = [], []
    for t in Deviations(both).differences(slice(None, count), slice(count, None)):
        # Errors of the opposite sign are as likely: each draw counts twice.
        upward += [t.max(axis=1), -t.min(axis=1)]
        downward += [t.max(axis=2), -t.min(axis=2)]
    return np.concatenate(upward), np.concatenate(downward)


def _studentised(apart: Floats, errors: Floats) -> Floats:
    """Differences over their standard errors; without an error they are certain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart == 0.0, 0.0, apart / errors)


# -------------------------------------------------------------------------------------------------- curve


@dataclass(frozen=True, eq=False)
class NearBest:
    """Layers that cannot be told from the best.

    Attributes:
        best: Number of the layer that scores highest.
        near: Which layers may be the best, (layers,); the set has all that are, in 95 % of samples.
    """

    best: int
    near: NDArray[np.bool_]

    def hull(self, depths: Floats) -> tuple[float, float]:
        """The interval of the depth of the peak: that of the layers that may be it; `depths` are (layers,)."""
        return float(depths[self.near].min()), float(depths[self.near].max())


def near_best(curve: Estimates) -> NearBest:
    """Find the layers that may be the best: the model confidence set of Hansen, Lunde and Nason (2011).

    A layer is left out if another lies above it by more than the largest studentised difference among those still in
    the set, which is then bounded anew, until none is left out.

    Args:
        curve: The layers. Those without a score are never near; without an interval all others are.

    Raises:
        DataError: If no layer has a score.
    """
    kept = np.flatnonzero(np.isfinite(curve.value))
    if not len(kept):
        raise DataError("no layer has a score (all distances equal?): there is no best one")
    scored = curve.some(kept)
    inside = np.ones(len(kept), dtype=np.bool_)
    if scored.is_known:
        every = slice(None)
        drawn = np.concatenate(list(Deviations(scored).differences(every, every)))
        t = _studentised(differences(scored.value, scored.value), standard_errors(scored.covariance))
        while True:
            beyond = t[inside].max(axis=0) > quantile(drawn[:, inside][:, :, inside].max(axis=(1, 2)))
            if not (beyond & inside).any():
                break
            inside &= ~beyond
    near = np.zeros(len(curve.value), dtype=np.bool_)
    near[kept] = inside
    return NearBest(int(kept[np.argmax(scored.value)]), near)
