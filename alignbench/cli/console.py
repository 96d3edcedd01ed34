"""What the commands show: status on stderr, tables and JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from alignbench.errors import DataError
from alignbench.files.json_text import plain

if TYPE_CHECKING:
    import pandas as pd

    from alignbench.results.layer_curve import LayerCurve


def print_status(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_table(table: Table, narrow: Table | None = None) -> None:
    """Print a table on stdout: at full width when it goes to a file, without lines on a terminal that is too narrow.

    Names stand letter by letter: brackets are no markup, and colons no emoji.

    Args:
        table: The table.
        narrow: What says the same in fewer columns, and is printed where the terminal is too narrow.
    """
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(width=200, markup=False, emoji=False)
    elif console.measure(table, options=console.options.update(width=1000)).maximum > console.width:
        table = copy(narrow or table)
        table.box, table.padding, table.pad_edge = SIMPLE_HEAD, (0, 1, 0, 0), False
        table.leading = 1
        table.columns = [replace(column, overflow="fold") for column in table.columns]
    console.print(table)


def print_plot(curves: Sequence[LayerCurve], distances: Sequence[str] | None = None) -> None:
    """Draw curves on stdout at once, see `terminal_plot`."""
    from alignbench.report.terminal import terminal_plot

    print(terminal_plot(curves, distances, sys.stdout.encoding or "ascii"), flush=True)


def print_json(rows: pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> None:
    """Print rows as a JSON array on stdout, or one mapping as an object: for programs, which read numbers as they are.

    Args:
        rows: A table, or mappings of names to texts, numbers, places, lists and mappings. NumPy's numbers become
            plain ones; what is no number (NaN, infinities, missing values) becomes null.
    """
    print(json.dumps(plain(rows), indent=2, allow_nan=False))


def score_table(curves: list[LayerCurve], title: str) -> Table:
    """Make a table of scores: a row for each curve, subset and distance.

    Args:
        curves: Curves of models on data sets.
        title: Title of the table.

    Returns:
        Best layer, which is selected on these judgments, and projection, each with its interval; also the aligned
        layer, if any curve has one. The one model or data set of all rows is no column if the title names it.
    """
    table = Table(title=title, title_justify="left", title_style="bold")
    has_aligned = any(curve.transform for curve in curves)
    rows = [
        _row(curve, subset, distance, has_aligned)
        for curve in curves
        for subset in dict.fromkeys(curve.primary()["subset"])
        for distance in dict.fromkeys(curve.primary()["distance"])
    ]
    named = [len({row[column] for row in rows}) == 1 and rows[0][column] in title for column in (0, 1)]
    for name, is_named in zip(("model", "data set"), named, strict=True):
        if not is_named:
            table.add_column(name, overflow="fold")
    for name in ("metric", "distance", "best layer"):
        table.add_column(name, overflow="fold")
    for name in ("best (selected)", "projection", *(["aligned"] if has_aligned else [])):
        table.add_column(name, justify="right", overflow="fold")
        table.add_column("95 % interval", justify="right", overflow="fold")
    for row in rows:
        table.add_row(
            *(cell for cell, is_named in zip(row, [*named, *[False] * len(row)], strict=False) if not is_named)
        )
    return table


def twin_table(curves: list[LayerCurve], title: str) -> Table:
    """Make a table of untrained twins: mean and range over seeds, a row for each subset and distance.

    Args:
        curves: Curves of one model on one data set, each with random weights of its own seed.
        title: Title of the table.

    Returns:
        Best layer and projection; also the aligned layer, if the curves have one.
    """
    import pandas as pd

    from alignbench.models.layer_names import PROJECTION, is_aligned, is_block, select_rows

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("model", "data set", "metric", "distance"):
        table.add_column(name, overflow="fold")
    aligned = [f"aligned by {curves[0].transform}"] if curves[0].transform else []
    for name in ("best layer (selected)", "projection", *aligned):
        table.add_column(f"{name}, mean", justify="right")
        table.add_column("min .. max", justify="right")
    name = f"{curves[0].model.rpartition('@')[0]}, {len(curves)} untrained twins"
    rows = pd.concat([curve.primary() for curve in curves], ignore_index=True)
    for (subset, distance), group in rows.groupby(["subset", "distance"], sort=False):
        last, best = group[group["layer"] == PROJECTION], select_rows(group, is_block).groupby("model")["value"].max()
        table.add_row(
            name,
            _name_data(curves[0], str(subset)),
            group.iloc[0]["metric"],
            distance,
            *_format_band(best),
            *_format_band(last["value"]),
            *(_format_band(select_rows(group, is_aligned)["value"]) if aligned else ()),
        )
    return table


def _format_band(values: pd.Series) -> tuple[str, str]:
    """Write the mean of some values, and their range."""
    if values.empty:
        return "", ""
    return f"{values.mean():.3f}", f"{values.min():.3f} .. {values.max():.3f}"


def _name_data(curve: LayerCurve, subset: str) -> str:
    """Name the data set of a curve, its subset where that has to be said, and how much of it was measured if a part."""
    from alignbench.results.extent import extents, place_name

    name, part = place_name(curve.dataset, subset, curve.protocol), extents(curve)[subset]
    return f"{name} ({part})" if part else name


def _row(curve: LayerCurve, subset: str, distance: str, has_aligned: bool) -> list[str]:
    from alignbench.models.layer_names import PROJECTION, is_aligned, select_rows

    rows = curve.primary()
    rows = rows[(rows["subset"] == subset) & (rows["distance"] == distance)]
    first = rows.iloc[0]
    dataset = _name_data(curve, subset)
    try:
        best = curve.best(distance, subset=subset)
        cells = [str(best["layer"]), f"{best['value']:.3f}", _format_interval(best["ci_low"], best["ci_high"])]
    except DataError:  # no layer has a score
        cells = ["-", "-", "-"]
    cells += _format_score(rows[rows["layer"] == PROJECTION])
    cells += _format_score(select_rows(rows, is_aligned)) if has_aligned else []
    return [curve.label, dataset, str(first["metric"]), distance, *cells]


def _format_score(rows: pd.DataFrame) -> list[str]:
    """Write score and interval of the one row, if there is one."""
    if rows.empty:
        return ["", ""]
    row = rows.iloc[0]
    return [f"{row['value']:.3f}", _format_interval(row["ci_low"], row["ci_high"])]


def _format_interval(low: float, high: float) -> str:
    """Write an interval, or a dash where there is none (NaN)."""
    return f"{low:.3f} .. {high:.3f}" if low == low else "-"
