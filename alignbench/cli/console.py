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
    """Say something on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_table(table: Table) -> None:
    """Print a table on stdout, at full width when it goes to a file."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def score_table(curves: list[LayerCurve], title: str) -> Table:
    """Best layer and projection of each curve and distance, and the aligned layer of curves that have one."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("model", "data set", "metric", "distance", "best layer"):
        table.add_column(name, overflow="fold")
    after = any(curve.transform for curve in curves)
    for name in ("best", "projection", *(["aligned"] if after else [])):
        table.add_column(name, justify="right")
        table.add_column("95 % interval", justify="right")
    for curve in curves:
        rows = curve.primary()
        for subset in dict.fromkeys(rows["subset"]):
            for distance in dict.fromkeys(rows["distance"]):
                _add_row(table, curve, subset, distance, after)
    return table


def twin_table(curves: list[LayerCurve], title: str) -> Table:
    """The band of untrained twins: mean and range over seeds of best layer and projection, a row a distance."""
    import pandas as pd

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("model", "data set", "metric", "distance"):
        table.add_column(name, overflow="fold")
    after = [f"aligned by {curves[0].transform}"] if curves[0].transform else []
    for name in ("best layer", "projection", *after):
        table.add_column(f"{name}, mean", justify="right")
        table.add_column("min .. max", justify="right")
    name = f"{curves[0].model.rpartition('@')[0]}, {len(curves)} untrained twins"
    rows = pd.concat([curve.primary() for curve in curves], ignore_index=True)
    for (subset, distance), some in rows.groupby(["subset", "distance"], sort=False):
        last, best = some[some["layer"] == PROJECTION], select_rows(some, is_block).groupby("model")["value"].max()
        table.add_row(
            name,
            _place(some.iloc[0], str(subset)),
            some.iloc[0]["metric"],
            distance,
            *_band(best),
            *_band(last["value"]),
            *(_band(select_rows(some, is_aligned)["value"]) if after else ()),
        )
    return table


def _band(values: pd.Series) -> tuple[str, str]:
    if values.empty:
        return "", ""
    return f"{values.mean():.3f}", f"{values.min():.3f} .. {values.max():.3f}"


def _place(row: pd.Series, subset: str) -> str:
    return str(row["dataset"]) if subset in ("all", "test", "testset1") else f"{row['dataset']} {subset}"


def _add_row(table: Table, curve: LayerCurve, subset: str, distance: str, after: bool) -> None:
    rows = curve.primary()
    rows = rows[(rows["subset"] == subset) & (rows["distance"] == distance)]
    first = rows.iloc[0]
    dataset = _place(first, subset)
    try:
        best = curve.best(distance, subset=subset)
        cells = [str(best["layer"]), f"{best['value']:.3f}", _interval(best["ci_low"], best["ci_high"])]
    except KeyError:
        cells = ["-", "-", "-"]
    cells += _scored(rows[rows["layer"] == PROJECTION])
    cells += _scored(select_rows(rows, is_aligned)) if after else []
    table.add_row(curve.label, dataset, first["metric"], distance, *cells)


def _scored(rows: pd.DataFrame) -> list[str]:
    """Score and interval of a row, if there is one."""
    if rows.empty:
        return ["", ""]
    row = rows.iloc[0]
    return [f"{row['value']:.3f}", _interval(row["ci_low"], row["ci_high"])]


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} .. {high:.3f}" if low == low else "-"
