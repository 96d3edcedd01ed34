"""What analyses of heads have found, as it is shown on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from alignbench.cli.console import print_table
from alignbench.cli.options import print_error

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 10  # texts that explain a neighbour


def print_found(record: Mapping[str, Any], table: pd.DataFrame) -> None:
    """Print what an analysis has found.

    Args:
        record: The record of its folder.
        table: The table there.
    """
    from alignbench.interpret.searching.analysis import MAPS

    if "why" in record:
        print_table(_why(record, table))
    elif record["analysis"] == "difference":
        print_table(_difference(table))
    elif record["analysis"] == "people":
        for note in record["people"]["notes"]:
            print_error(note)
        print_table(_people(record, table))
    elif record["analysis"] in MAPS:
        print(_map_line(table))
    else:
        print_table(_neighbours(table))


def _neighbours(table: pd.DataFrame) -> Table:
    """The neighbours, a row for each head or group."""
    shown = Table(title="Neighbours", title_justify="left")
    shown.add_column("heads")
    shown.add_column("pictures, the nearest first")
    for heads, rows in table.groupby("heads", sort=False):
        shown.add_row(str(heads), _listed(rows))
    return shown


def _listed(rows: pd.DataFrame) -> str:
    return "  ".join(f"{row.picture} ({row.value:.3g})" for row in rows.itertuples())


def _why(record: Mapping[str, Any], table: pd.DataFrame) -> Table:
    """The texts that explain a neighbour most, and what is left."""
    from alignbench.interpret.searching.analysis import unit_of

    about, unit = record["why"], unit_of(str(record["settings"].get("measure", "dot")))
    shown = Table(title=f"Why {about['picture']} is near: {about['value']:.3g}", title_justify="left")
    shown.add_column("head")
    shown.add_column("text")
    shown.add_column(unit, justify="right")
    shares, rest = table[table["pick"] > 0], table[table["pick"] == 0]
    for row in shares.head(_SHOWN).itertuples():
        shown.add_row(str(row.heads), str(row.text), f"{row.value:+.3g}")
    others = shares.iloc[_SHOWN:]
    if len(others):
        shown.add_row("", f"{len(others)} more texts", f"{others['value'].sum():+.3g}")
    shown.add_row("", "what no text takes up", f"{rest['value'].sum():+.3g}")
    return shown


def _difference(table: pd.DataFrame) -> Table:
    """The neighbours on both sides, two rows for each head or group."""
    shown = Table(title="Neighbours before and after", title_justify="left")
    for name in ("heads", "", "pictures, the nearest first"):
        shown.add_column(name)
    for name in ("shared", "correlation"):
        shown.add_column(name, justify="right")
    for (heads, others), rows in table.groupby(["heads", "others"], sort=False):
        before, after = (rows[rows["when"] == when] for when in ("before", "after"))
        shared, correlation = rows[["shared", "correlation"]].iloc[0]
        shown.add_row(str(heads), "before", _listed(before), f"{shared:.2f}", f"{correlation:.2f}")
        shown.add_row("" if heads == others else str(others), "after", _listed(after), "", "")
    return shown


def _people(record: Mapping[str, Any], table: pd.DataFrame) -> Table:
    """The pairs that people find most alike: what people say, and below it what each head says."""
    from alignbench.interpret.searching.analysis import unit_of

    shown = Table(title=f"Pairs that people find alike ({record['settings']['dataset']})", title_justify="left")
    for name in ("heads", "pair"):
        shown.add_column(name)
    for name in (record["people"]["unit"], unit_of(str(record["settings"]["measure"])), "rank, %"):
        shown.add_column(name, justify="right")
    for heads, rows in table.groupby("heads", sort=False):
        for place, row in enumerate(rows.itertuples()):
            pair, people = f"{row.first}\n{row.second}", f"{row.people:.3g} (of {row.judgments})"
            shown.add_row("" if place else str(heads), pair, people, f"{row.value:.3g}", f"{row.rank:.1f}")
    return shown


def _map_line(table: pd.DataFrame) -> str:
    """How large a map is, and where it is lowest and highest."""
    low, high = (table.loc[getattr(table["value"], which)()] for which in ("idxmin", "idxmax"))
    ends = (f"{end['value']:+.3g} (row {end['row']:.0f}, column {end['column']:.0f})" for end in (low, high))
    return f"{table['row'].max() + 1} x {table['column'].max() + 1} patches, {' to '.join(ends)}"
