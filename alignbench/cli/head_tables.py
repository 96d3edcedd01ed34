"""Scores of heads as they are shown: tables on a terminal, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.cli.console import print_json, print_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_SHOWN: Final = 5  # heads of a table


def described(folders: Sequence[Path], compared: Path | None) -> None:
    """Print folders of scores as JSON.

    Args:
        folders: The folders.
        compared: A comparison with another model, if there is one.
    """
    from alignbench.results.head_differences import read_comparison

    found = [_described(folder) for folder in folders]
    if compared is not None:
        record, table = read_comparison(compared)
        found.append({"folder": compared, **record, "differences": table.to_dict("records")})
    print_json(found)


def print_best_heads(folders: Sequence[Path], compared: Path | None) -> None:
    """Print the best heads of each folder, what differs most from another model, and then the folders.

    Args:
        folders: The folders.
        compared: A comparison with another model, if there is one.
    """
    from alignbench.results.head_alignment import read_head_alignment
    from alignbench.results.head_differences import read_comparison

    for folder in folders:
        print_table(_best_heads(*read_head_alignment(folder)))
    if compared is not None:
        print_table(_differences(*read_comparison(compared)))
    for folder in (*folders, *([] if compared is None else [compared])):
        print(folder)


def _described(folder: Path) -> dict[str, Any]:
    """A folder of scores, for programs."""
    from alignbench.results.head_alignment import read_head_alignment

    alignment, _, record = read_head_alignment(folder)
    return {"folder": folder, **record, "alignment": alignment.to_dict("records")}


def _best_heads(alignment: pd.DataFrame, cumulative: pd.DataFrame, record: dict[str, Any]) -> Table:
    """The whole, and below it the heads that score best alone, for each protocol and subset."""
    from rich.table import Table

    from alignbench.interpret.align_tables import best_heads
    from alignbench.results.head_alignment import NULLS

    settings = record["settings"]
    title = f"Heads of {settings['model']} on {settings.get('dataset', '')}"
    shown = Table(title=title, title_justify="left", title_style="bold")
    for name in ("protocol", "part", "measure", "what"):
        shown.add_column(name, overflow="fold")
    for name in ("alone", "95 % interval", *("p " + name.removeprefix("p_") for name in NULLS), "left out"):
        shown.add_column(name, justify="right")
    for row in best_heads(alignment, _SHOWN):
        without = "" if row.without is None else f"{row.without:.3f}"
        p = (_probability(row.p[name]) for name in NULLS)
        ends = "none" if isnan(row.low) else f"{row.low:.3f} to {row.high:.3f}"
        shown.add_row(row.protocol, row.part, row.measure, row.what, f"{row.alone:.3f}", ends, *p, without)
    return shown


def _probability(p: float) -> str:
    """A p-value, nothing where there is none."""
    return "" if isnan(p) else f"{p:.3f}" if p >= 0.0005 else "<0.001"


def _differences(record: dict[str, Any], table: pd.DataFrame) -> Table:
    """The heads whose scores differ most, for each protocol and subset."""
    from rich.table import Table

    from alignbench.interpret.align_tables import largest_differences

    models = [record["settings"][which]["model"] for which in ("first", "second")]
    shown = Table(title=f"Heads of {models[0]} less those of {models[1]}", title_justify="left", title_style="bold")
    for name in ("protocol", "part", "measure", "head"):
        shown.add_column(name, overflow="fold")
    for name in ("difference", "95 % interval", "of all together"):
        shown.add_column(name, justify="right")
    for _, row in largest_differences(table, _SHOWN).iterrows():
        ends = (f"{row['low' + of]:+.3f} to {row['high' + of]:+.3f}" for of in ("", "_together"))
        what = f"{row['layer']}.{row['head']}"
        shown.add_row(row["protocol"], row["part"], row["measure"], what, f"{row['difference']:+.3f}", *ends)
    return shown
