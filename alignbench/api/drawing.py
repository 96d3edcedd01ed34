"""Figures of curves from Python: which of their distances and subsets are drawn, and into what."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignbench.api.words import speaks_python
from alignbench.errors import AlignbenchWarning, UsageError, shortened, unknown
from alignbench.report.figures.curves import curves_figure, draw_into
from alignbench.report.references import find_published
from alignbench.report.series import chosen_distances, main_distances, without_distances
from alignbench.results.layer_curve import LayerCurve

C = TypeVar("C", bound=LayerCurve)
Names = str | Sequence[str]


@speaks_python
def draw(
    curves: Sequence[LayerCurve],
    *,
    distance: Names | None = None,
    subset: str | None = None,
    published: Names = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw curves; see `MeasuredCurve.plot`.

    Args:
        curves: Which.
        distance: Names of distances, `all`, or none: of one model all are drawn, of several one that all have.
        subset: One subset alone; all if none is given.
        published: Names of published models that are to stand beside.
        ax: Axes to draw into.

    Raises:
        UsageError: If there is nothing to draw, or no such distance, subset or published model.
    """
    if not curves:
        raise UsageError("there is no run to draw")
    if ax is not None and not isinstance(ax, Axes):
        raise UsageError(f"{shortened(ax)} is no axes: give `ax` what Matplotlib's `subplots` makes, one of them")
    wanted = curves if subset is None else _of_subset(curves, subset)
    distances, references = _distances(wanted, distance), find_published(_listed(published, "published"))
    if ax is None:
        return curves_figure(wanted, distances, references)
    return draw_into(ax, wanted, distances, references)


def _listed(names: Names, argument: str) -> tuple[str, ...]:
    found = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else ()
    if not all(isinstance(name, str) for name in found) or (not found and not isinstance(names, Iterable)):
        raise UsageError(f"{shortened(names)} is no name: give `{argument}` a text, or a list of texts")
    return found


def _of_subset(curves: Iterable[C], subset: str) -> list[C]:
    """The curves with the rows of one subset, without those that lack it."""
    curves = list(curves)
    kept = [replace(curve, frame=curve.frame[curve.frame["subset"] == subset]) for curve in curves]
    found = [curve for curve in kept if len(curve.frame)]
    if not found:
        raise unknown("subset", subset, {name for curve in curves for name in curve.frame["subset"]})
    return found


def _distances(curves: Sequence[LayerCurve], asked: Names | None) -> tuple[str, ...] | None:
    """Names of the distances of towers to draw; none for all of them."""
    if asked is None:
        found = main_distances(curves)
        lacking = without_distances(curves, found)
        if lacking:
            warnings.warn(AlignbenchWarning(lacking), stacklevel=4)
        return found
    return chosen_distances(_listed(asked, "distance"), curves)
