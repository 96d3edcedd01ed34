"""Two curves that were scored together, place by place: differences, bands, and the layers that the data choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import DataError
from alignbench.models.layer_names import IMAGE, is_aligned, is_plain
from alignbench.statistics.agreement import agreements
from alignbench.statistics.bands import Band, band
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.cross_fit import cross_fitted, cross_fitted_difference, cross_fitted_difference_by_objects
from alignbench.statistics.joint import Estimates
from alignbench.statistics.paired import PairedDifference, Place, paired_difference
from alignbench.statistics.rated_pairs import Varying
from alignbench.statistics.scored_together import Judged, ScoredTogether
from alignbench.statistics.shared_objects import SharedObjects
from alignbench.study.places import CROSS_FITTED, ScoredCurve, best_difference, two_curves

PROJECTION, BEST, CURVE, ALL = WHERE = ("projection", "best", "curve", "all")
"""Where curves may be compared, beside a layer's name: what `compared_rows` takes."""
_BANDS = ("band", "first_band", "second_band")


@dataclass(frozen=True, eq=False)
class ComparedCurves:
    """A distance of each of two runs.

    Attributes:
        first: The curve of the first run.
        second: The curve of the second, scored together with it.
        judged: What both were scored on.
        human: What people said, (n,).
        among: What intervals are over: clusters, (n, 1), or objects, or objects and subjects.
    """

    first: ScoredCurve
    second: ScoredCurve
    judged: tuple[Judged, Judged]
    human: Floats
    among: Varying


def compared_rows(pair: ComparedCurves, at: str = ALL) -> list[dict[str, Any]]:
    """The rows of one distance, see `alignbench.study.comparison.compare`.

    Args:
        pair: Both curves.
        at: `projection`, `best`, `curve`, the name of a layer, or `all` but the last. Two baselines are compared by
            their one score.

    Returns:
        A column `question`, which rows have in common that say one thing, and which is empty where nothing is tested;
        the columns of `PairedDifference`; at layers and depths band_low and band_high, between which the difference
        lies everywhere at once, and the same of each run's own curve (first_band_low and so on); in the cross-fitted
        row share_used, the share of the judgments that a partition uses. Not numbers elsewhere.
    """
    first, second = pair.first, pair.second
    projection = paired_difference("projection", 100.0, first.projection(), second.projection(), first.scored)
    if len(first.layers) == len(second.layers) == 1:
        return [_complete(IMAGE, replace(projection, place=IMAGE, depth=0.0))]
    if at not in WHERE:
        return [_complete(at, _at_layer(first, second, at))]
    rows = []
    if at in (PROJECTION, ALL):
        rows.append(_complete(PROJECTION, projection))
    if at in (BEST, ALL):
        rows.append(_complete(BEST, best_difference(first, second)))
    if at == ALL:
        rows += [*_cross_fitted(pair), *(_complete(row.first_layer, row) for row in _aligned(first, second))]
    return rows + (_along(first, second) if at in (CURVE, ALL) else [])


def _along(first: ScoredCurve, second: ScoredCurve) -> list[dict[str, Any]]:
    """The rows of all layers or depths."""
    scored, (depths, place) = first.scored, _depths(first, second)
    ones, others = [first.at(depth) for depth in depths], [second.at(depth) for depth in depths]
    found = [
        paired_difference(place, depth, one, other, scored)
        for depth, one, other in zip(depths, ones, others, strict=True)
    ]
    bands = (
        band_between(first, second).around([row.ci_low for row in found], [row.ci_high for row in found]),
        _band(scored, ones, depths, CONFIDENCE),
        _band(scored, others, depths, CONFIDENCE),
    )
    rows = []
    for index, row in enumerate(found):
        ends = {
            f"{name}_{end}": float(getattr(each, end)[index])
            for name, each in zip(_BANDS, bands, strict=True)
            for end in ("low", "high")
        }
        rows.append(_complete(CURVE, row, **ends))
    return rows


def band_between(first: ScoredCurve, second: ScoredCurve, level: float = CONFIDENCE) -> Band:
    """The band of the difference of two curves that were scored together, at the depths where they are compared.

    Args:
        first: The curve from which the other is subtracted.
        second: The other.
        level: Share of samples in which it holds at all depths.
    """
    depths, _ = _depths(first, second)
    places = [replace(first.at(depth), weights=first.at(depth).weights - second.at(depth).weights) for depth in depths]
    return _band(first.scored, places, depths, level)


def _at_layer(first: ScoredCurve, second: ScoredCurve, layer: str) -> PairedDifference:
    """The difference at a layer that both have; a baseline stands beside every one."""
    one, other = (0 if tuple(curve.layers) == (IMAGE,) else curve.layers.index(layer) for curve in (first, second))
    depth = second.depths[other] if tuple(first.layers) == (IMAGE,) else first.depths[one]
    return paired_difference("layer", float(depth), first.layer(one), second.layer(other), first.scored)


def _complete(question: str, row: PairedDifference, **further: float) -> dict[str, Any]:
    """A row with every column."""
    columns = ["share_used", *(f"{name}_{end}" for name in _BANDS for end in ("low", "high"))]
    return {"question": question} | row.to_row() | dict.fromkeys(columns, np.nan) | further


def _depths(first: ScoredCurve, second: ScoredCurve) -> tuple[list[float], str]:
    """At which depths the curves are compared, and what such a place is called."""
    if (IMAGE,) in (tuple(first.layers), tuple(second.layers)):
        return _blocks(max(first, second, key=lambda curve: len(curve.layers))), "layer"
    if [*filter(is_plain, first.layers)] == [*filter(is_plain, second.layers)]:
        return _blocks(first), "layer"
    return min(_blocks(first), _blocks(second), key=lambda depths: (len(depths), depths)), "depth"


def _band(scored: ScoredTogether, places: Sequence[Place], depths: Sequence[float], level: float) -> Band:
    """The band of weighted sums of the scores at some depths."""
    weights = np.stack([place.weights for place in places])
    used = np.flatnonzero(weights.any(axis=0))
    known: Estimates = scored.estimates(used).combined(weights[:, used])
    return band(known, np.array(depths), scored.possible(weights[0]), level)


def _cross_fitted(pair: ComparedCurves) -> list[dict[str, Any]]:
    """The difference of the layers that the data choose, where it can be estimated."""
    try:
        if isinstance(pair.among, SharedObjects) and pair.judged[0].kind != "rating":
            one, other = (_right(pair, place) for place in (0, 1))
            found, values = cross_fitted_difference_by_objects(one, other, pair.among.objects)
        else:
            both = two_curves(pair.first, pair.second)
            found = cross_fitted_difference(both)
            values = cross_fitted(both.first).value, cross_fitted(both.second).value
    except DataError:  # too few clusters, or objects; or ratings of pairs that share pictures
        return []
    low, high = np.clip((found.low, found.high), *pair.first.scored.possible(np.array([1.0, -1.0])))
    row = PairedDifference(CROSS_FITTED, np.nan, *values, "", "", found.value, float(low), float(high), np.nan)
    return [_complete("", row, share_used=found.share)]


def _right(pair: ComparedCurves, place: int) -> Floats:
    """How far each layer before the projection of one run agrees with each judgment, (layers, n)."""
    judged, blocks = pair.judged[place], (pair.first, pair.second)[place].blocks
    curves = [judged.distances[index] for index in blocks]
    return np.stack(list(agreements(curves, judged.options, pair.human, judged.kind, judged.share_ties)))


def _aligned(first: ScoredCurve, second: ScoredCurve) -> list[PairedDifference]:
    """Differences of the aligned layers that both have."""
    return [
        paired_difference(
            "aligned", float(first.depths[i]), first.layer(i), second.layer(second.layers.index(name)), first.scored
        )
        for i, name in enumerate(first.layers)
        if is_aligned(name) and name in second.layers
    ]


def _blocks(curve: ScoredCurve) -> list[float]:
    """Depths of the layers before the projection."""
    return [float(depth) for depth in curve.depths[curve.blocks]]
