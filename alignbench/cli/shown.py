"""Options of what tables, figures and pages show: which distances, and how wide a figure is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from alignbench.cli.console import print_status
from alignbench.cli.options import names_in
from alignbench.errors import UsageError, shortened

if TYPE_CHECKING:
    from alignbench.results.layer_curve import LayerCurve

WIDTHS: Final = {"column": 3.25, "page": 6.75}
"""Inches, of a conference paper."""
_NARROWEST, _WIDEST = 2.0, 30.0
_ALL: Final = "all"


def named_distances(text: str, curves: Sequence[LayerCurve]) -> tuple[str, ...] | None:
    """The distances that an option names; none for all of them.

    Args:
        text: Names with commas, `all`, or nothing.
        curves: Those of the runs that are to be shown.

    Raises:
        UsageError: If no run has one of them, or there is no run.
    """
    from alignbench.report.series import chosen_distances

    if text in ("", _ALL):
        return None
    if not curves:
        raise UsageError("--distance chooses distances of runs, and there are no runs: leave it out")
    return chosen_distances(names_in(text), curves)


def shown_distances(text: str, curves: Sequence[LayerCurve]) -> tuple[str, ...] | None:
    """The distances that a figure or table shows: of several models one, unless more are asked for; none for all.

    It is said on stderr whose runs are therefore left out.

    Args:
        text: As in `named_distances`; nothing for the usual ones.
        curves: Those of the runs that are to be shown.

    Raises:
        UsageError: As in `named_distances`.
    """
    from alignbench.report.series import main_distances, without_distances

    if text:
        return named_distances(text, curves)
    found = main_distances(curves)
    lacking = without_distances(curves, found)
    if lacking:
        print_status(lacking)
    return found


def parse_width(text: str) -> float:
    """Read the width of a figure in inches: a number, or one of `WIDTHS`.

    Raises:
        UsageError: If it is neither, or a figure cannot be so wide or so narrow.
    """
    try:
        inches = WIDTHS.get(text) or float(text)
    except ValueError:
        inches = float("nan")
    if not _NARROWEST <= inches <= _WIDEST:
        valid = f"{', '.join(WIDTHS)}, or {_NARROWEST:.0f} to {_WIDEST:.0f} inches"
        raise UsageError(f"--width {shortened(text)} is no width of a figure: use {valid}")
    return inches
