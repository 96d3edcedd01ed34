"""How far one run lies above another at a place of its curve, both scored on the same judgments."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.statistics.scored_together import ScoredTogether


@dataclass(frozen=True, eq=False)
class Place:
    """A place of a curve: a layer, or a depth between two.

    Attributes:
        weights: Of the scores of all curves, (curves,): 1 for that of a layer.
        layer: The layer, or the layers.
    """

    weights: Floats
    layer: str


@dataclass(frozen=True)
class PairedDifference:
    """How far one run lies above another at a place.

    Attributes:
        place: The place.
        depth: Its depth in percent; not a number where it has none.
        first: Score of the first run.
        second: Score of the second run.
        first_layer: The layer of the first run at that place.
        second_layer: The layer of the second run at that place.
        difference: `first` minus `second`.
        ci_low: Lower end of the difference's interval; not a number where there is none.
        ci_high: Upper end.
        p: The difference's p-value; not a number where it has none.
        smallest: The smallest true difference that would probably be seen, see `smallest_difference`; not a number
            where that is not known.
        degrees: Degrees of freedom of the difference's error; not a number where there are none of its own.
        floored: Whether the interval may be too narrow, see `ObjectVariance.floored`.
    """

    place: str
    depth: float
    first: float
    second: float
    first_layer: str
    second_layer: str
    difference: float
    ci_low: float
    ci_high: float
    p: float
    smallest: float = float("nan")
    degrees: float = float("nan")
    floored: bool = False

    def to_row(self) -> dict[str, Any]:
        """The row of a table, by column."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def paired_difference(
    place: str, depth: float, first: Place, second: Place, scored: ScoredTogether
) -> PairedDifference:
    """The difference of scores at two places, with its interval and p-value.

    Args:
        place: Name of the place.
        depth: Its depth in percent; not a number where it has none.
        first: Where the first run is looked at.
        second: Where the second run is.
        scored: The scores of both.
    """
    found = scored.contrast(first.weights - second.weights)
    return PairedDifference(
        place,
        depth,
        score_at(scored, first),
        score_at(scored, second),
        first.layer,
        second.layer,
        found.value,
        found.low,
        found.high,
        found.p,
        found.smallest,
        found.degrees,
        found.floored,
    )


def score_at(scored: ScoredTogether, place: Place) -> float:
    """The score at a place."""
    used = np.flatnonzero(place.weights)
    return float(place.weights[used] @ scored.value[used])
