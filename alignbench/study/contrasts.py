"""What rules compare: highest layers, dips, depths of peaks and onsets, with bounds from simultaneous ones.

Each function gives the terms of a comparison, and how bounds of the terms bound the quantity. A highest layer is never
chosen anew in each resample: where bounds hold for every layer, they hold for the highest one, whichever it truly is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.study.evidence import Ends, Term
from alignbench.study.levels import LevelPanel, Scored

MIDDLE = (45.0, 80.0)  # depths between which a dip is looked for

Compared = tuple[tuple[Term, ...], Ends]


def rising(quantity: Callable[..., Any]) -> Ends:
    """Bounds of a quantity that rises with each of its terms (or stays as it is)."""
    return lambda lows, highs: (float(quantity(*lows)), float(quantity(*highs)))


def difference(panel: LevelPanel, one: Floats, other: Floats) -> Compared:
    """One score minus another, each (1 + resamples,)."""
    return (Term(panel, np.atleast_2d(one - other)),), rising(lambda term: term[0])


def best_difference(panel: LevelPanel, one: Floats, other: Floats) -> Compared:
    """The highest of some layers minus the highest of others.

    At least the lower bound of a layer's difference from each of the others, for whichever layer that is highest; at
    most the upper bound of the highest difference from one of the others, for whichever of these that is lowest.

    Args:
        panel: The panel.
        one: Scores of layers, (layers, 1 + resamples).
        other: Scores of those whose highest is subtracted.
    """
    return (Term(panel, one[:, None] - other[None]),), lambda lows, highs: (
        float(np.fmax.reduce(np.fmin.reduce(lows[0], axis=1))),
        float(np.fmin.reduce(np.fmax.reduce(highs[0], axis=0))),
    )


def highest(panel: LevelPanel, contrasts: Floats) -> Compared:
    """The highest of some contrasts, (contrasts, 1 + resamples)."""
    return (Term(panel, contrasts),), rising(np.fmax.reduce)


def nearest(panel: LevelPanel, differences: Floats) -> Compared:
    """How far the nearest of some differences, (differences, 1 + resamples), is from 0."""
    both = np.stack([differences, -differences], axis=1)

    def from_zero(bound: Floats) -> float:
        return float(np.maximum(0.0, -np.fmax.reduce(np.fmin.reduce(bound, axis=1))))

    return (Term(panel, both),), lambda lows, highs: (from_zero(highs[0]), from_zero(lows[0]))


# ---------------------------------------------------------------------------------------------------- dips


def dip(panel: LevelPanel, depths: Floats, scores: Floats) -> Compared | None:
    """How far the lowest score at mid-depth lies below the lower of the best before and the best after.

    Args:
        panel: The panel.
        depths: Of the layers before the projection, in percent.
        scores: Theirs, (layers, 1 + resamples).

    Returns:
        None where there is no layer before, between or after.
    """
    between = scores[(depths >= MIDDLE[0]) & (depths <= MIDDLE[1])]
    sides = [
        (side[:, None] - between[None]).reshape(-1, scores.shape[1])
        for side in (scores[depths < MIDDLE[0]], scores[depths > MIDDLE[1]])
    ]
    if not all(len(side) for side in sides):
        return None
    return tuple(Term(panel, side) for side in sides), rising(
        lambda before, after: np.minimum(np.fmax.reduce(before), np.fmax.reduce(after))
    )


# -------------------------------------------------------------------------------------------------- depths

Where = Callable[[Floats, Floats], tuple[float, float]]  # least and greatest depth, from bounds of a term


def peak(panel: LevelPanel, curve: Scored) -> tuple[Term, Where]:
    """The depth of the best layer before the projection: between those that no other layer is surely above."""
    scores, depths = curve.blocks, curve.block_depths

    def where(low: Floats, _: Floats) -> tuple[float, float]:
        beaten = (low > 0.0).any(axis=0) | np.isnan(np.diag(low))
        return _ends(depths[~beaten])

    return Term(panel, scores[:, None] - scores[None]), where


def onset(panel: LevelPanel, curve: Scored, pixels: Floats) -> tuple[Term, Where]:
    """The first depth at which a curve is halfway from pixels to its peak, both before the projection.

    Pixels are the point at depth 0, and the onset where no layer is above them.

    Args:
        panel: The panel.
        curve: The curve.
        pixels: Score of the pixels, (1 + resamples,).
    """
    scores = np.concatenate([pixels[None], curve.blocks])
    depths = np.concatenate([[0.0], curve.block_depths])

    def first(bound: Floats) -> float:
        reached = np.fmin.reduce(bound, axis=1) >= 0.0
        return float(depths[int(np.argmax(reached))]) if reached.any() else float(depths[-1])

    def where(low: Floats, high: Floats) -> tuple[float, float]:
        return (np.nan, np.nan) if np.isnan(low[0, 0]) or np.isnan(low).all() else (first(high), first(low))

    return Term(panel, scores[:, None] - 0.5 * (pixels + scores)[None]), where


def depth_of(found: tuple[Term, Where]) -> Compared:
    """A depth in percent."""
    term, where = found
    return (term,), lambda lows, highs: where(lows[0], highs[0])


def mean_depth_rises(before: Sequence[tuple[Term, Where]], after: Sequence[tuple[Term, Where]]) -> Compared:
    """How much deeper, in percent of the network, the mean over models is at one level than at the level before.

    Args:
        before: The depth of each model at the level before.
        after: The same at the level.
    """
    terms, wheres = zip(*before, *after, strict=True)

    def ends(lows: Sequence[Floats], highs: Sequence[Floats]) -> tuple[float, float]:
        found = np.array([where(low, high) for where, low, high in zip(wheres, lows, highs, strict=True)])
        first, second = found[: len(before)].mean(axis=0), found[len(before) :].mean(axis=0)
        return float(second[0] - first[1]), float(second[1] - first[0])

    return terms, ends


def _ends(depths: Floats) -> tuple[float, float]:
    return (float(depths[0]), float(depths[-1])) if len(depths) else (np.nan, np.nan)
