"""Places of curves at which runs are compared: the projection, layers, depths, and the best layers before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.models.layer_names import IMAGE, is_block, is_plain
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.joint import TwoCurves
from alignbench.statistics.paired import PairedDifference, Place, paired_difference
from alignbench.statistics.scored_together import ScoredTogether
from alignbench.statistics.selection import BestDifference, best_layers_at
from alignbench.statistics.smallest_difference import POWER

BEST = "best layer"
CROSS_FITTED = "best layer, cross-fitted"


@dataclass(frozen=True, eq=False)
class ScoredCurve:
    """One curve among those that are scored together.

    Attributes:
        scored: All of them.
        rows: Which are its layers, (layers,).
        layers: Names of the layers.
        depths: Their depths in percent, (layers,).
    """

    scored: ScoredTogether
    rows: Indices
    layers: Sequence[str]
    depths: Floats

    @property
    def value(self) -> Floats:
        """Its scores, (layers,)."""
        return self.scored.value[self.rows]

    @property
    def blocks(self) -> Indices:
        """Numbers of the layers before the projection; of a baseline its only one."""
        return np.array([index for index, layer in enumerate(self.layers) if is_block(layer)] or [0])

    def layer(self, index: int) -> Place:
        """One of its layers."""
        return self._place({index: 1.0}, self.layers[index])

    def projection(self) -> Place:
        """The projection; the last layer of a tower without one, the only one of a baseline."""
        return self.layer(max(index for index, layer in enumerate(self.layers) if is_plain(layer)))

    def at(self, depth: float) -> Place:
        """A depth, linearly between the layers before the projection, beyond them that at the end.

        The only layer of a baseline stands everywhere.
        """
        blocks = self.blocks
        depths = self.depths[blocks]
        exact = np.flatnonzero(np.isclose(depths, depth))
        if tuple(self.layers) == (IMAGE,) or len(exact):
            return self.layer(int(blocks[exact[0] if len(exact) else 0]))
        above = int(np.searchsorted(depths, depth))
        if above in (0, len(depths)):
            return self.layer(int(blocks[max(above - 1, 0)]))
        share = float((depth - depths[above - 1]) / (depths[above] - depths[above - 1]))
        below, over = int(blocks[above - 1]), int(blocks[above])
        return self._place({below: 1.0 - share, over: share}, f"{self.layers[below]} .. {self.layers[over]}")

    def _place(self, weights: dict[int, float], name: str) -> Place:
        found = np.zeros(len(self.scored.value))
        for index, weight in weights.items():
            found[self.rows[index]] = weight
        return Place(found, name)


def two_curves(first: ScoredCurve, second: ScoredCurve) -> TwoCurves:
    """The layers before the projection of two curves that were scored together, with their joint error."""
    rows = [curve.rows[curve.blocks] for curve in (first, second)]
    return TwoCurves(first.scored.estimates(np.concatenate(rows)), len(rows[0]))


def best_difference(first: ScoredCurve, second: ScoredCurve, level: float = CONFIDENCE) -> PairedDifference:
    """How far the best layer of one curve lies above that of another, see `best_differences`."""
    return best_differences(first, second, (level,))[0]


def best_differences(first: ScoredCurve, second: ScoredCurve, levels: Sequence[float]) -> list[PairedDifference]:
    """How far the best layer of one curve lies above that of another, whichever they are, see `best_layers_at`.

    Both are drawn in one order, whichever is subtracted: the difference the other way round is the same with the
    opposite sign. The smallest difference that would probably be seen is the reach of its interval and what a power of
    80 % adds.

    Args:
        first: The curve from whose best layer the other's is subtracted.
        second: The other, scored together with it.
        levels: Levels of the intervals, one for each difference that is returned.
    """
    if not all(np.isfinite(curve.value[curve.blocks]).any() for curve in (first, second)):
        nothing = np.nan
        unknown = PairedDifference(BEST, nothing, nothing, nothing, "", "", nothing, nothing, nothing, nothing)
        return [unknown] * len(levels)
    ordered = sorted((first, second), key=_content)
    each = best_layers_at(two_curves(*ordered), levels)
    return [_of_best(first, second, found if ordered[0] is first else found.reversed()) for found in each]


def _of_best(first: ScoredCurve, second: ScoredCurve, found: BestDifference) -> PairedDifference:
    one, other = first.layer(int(first.blocks[found.first])), second.layer(int(second.blocks[found.second]))
    chosen = paired_difference(BEST, np.nan, one, other, first.scored)
    low, high = np.clip((found.low, found.high), *first.scored.possible(one.weights - other.weights))
    reach = max(found.difference - found.low, found.high - found.difference)
    error = first.scored.error(one.weights - other.weights)
    return PairedDifference(
        BEST,
        np.nan,
        chosen.first,
        chosen.second,
        chosen.first_layer,
        chosen.second_layer,
        found.difference,
        float(low),
        float(high),
        found.p,
        float(reach + stats.norm.ppf(POWER) * error),
        floored=chosen.floored,
    )


def _content(curve: ScoredCurve) -> tuple[list[float], list[float]]:
    """What tells a curve from another one wherever both stand: scores of its layers, and their variances."""
    known = curve.scored.estimates(curve.rows[curve.blocks])
    return np.nan_to_num(known.value).tolist(), np.nan_to_num(np.diag(known.covariance)).tolist()
