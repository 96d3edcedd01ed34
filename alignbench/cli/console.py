"""What the commands show: progress on stderr, tables on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from alignbench.models.layer_names import PROJECTION, is_aligned, is_block, select_rows

if TYPE_CHECKING:
    import pandas as pd

    from alignbench.results.layer_curve import LayerCurve


def print_status(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_table(table: Table) -> None:
    """Print a table on stdout, at full width when it goes to a file."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def score_table(curves: list[LayerCurve], title: str) -> Table:
    """Make a table of scores: a row for each curve, subset and distance.

    Args:
        curves: Curves of models on data sets.
        title: Title of the table.

    Returns:
        Best layer, which is selected on these judgments, and projection, each with its interval; also the aligned
        layer, if any curve has one.
    """
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("model", "data set", "metric", "distance", "best layer"):
        table.add_column(name, overflow="fold")
    has_aligned = any(curve.transform for curve in curves)
    for name in ("best (selected)", "projection", *(["aligned"] if has_aligned else [])):
        table.add_column(name, justify="right")
        table.add_column("95 % interval", justify="right")
    for curve in curves:
        rows = curve.primary()
        for subset in dict.fromkeys(rows["subset"]):
            for distance in dict.fromkeys(rows["distance"]):
                _add_row(table, curve, subset, distance, has_aligned)
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


def _add_row(table: Table, curve: LayerCurve, subset: str, distance: str, has_aligned: bool) -> None:
    rows = curve.primary()
    rows = rows[(rows["subset"] == subset) & (rows["distance"] == distance)]
    first = rows.iloc[0]
    dataset = _name_data(curve, subset)
    try:
        best = curve.best(distance, subset=subset)
        cells = [str(best["layer"]), f"{best['value']:.3f}", _format_interval(best["ci_low"], best["ci_high"])]
    except KeyError:
        cells = ["-", "-", "-"]
    cells += _format_score(rows[rows["layer"] == PROJECTION])
    cells += _format_score(select_rows(rows, is_aligned)) if has_aligned else []
    table.add_row(curve.label, dataset, first["metric"], distance, *cells)


def _format_score(rows: pd.DataFrame) -> list[str]:
    """Write score and interval of the one row, if there is one."""
    if rows.empty:
        return ["", ""]
    row = rows.iloc[0]
    return [f"{row['value']:.3f}", _format_interval(row["ci_low"], row["ci_high"])]


def _format_interval(low: float, high: float) -> str:
    """Write an interval, or a dash where there is none (NaN)."""
    return f"{low:.3f} .. {high:.3f}" if low == low else "-"
