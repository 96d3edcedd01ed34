"""`alignbench leaderboard`: all models of some runs in one table, a row a model and a column a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import data_sets, distances, one_of
from alignbench.cli.console import print_json, print_status, print_table
from alignbench.cli.options import check_output, print_error
from alignbench.cli.shown import shown_distances
from alignbench.cli.working import working
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from alignbench.report.tables.sheet import Sheet

_TABLES: Final = (".csv", ".md", ".tex")


def leaderboard(
    places: Annotated[list[Path], typer.Argument(metavar="RUNS", help="Run folders, or folders that contain them.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write the table to: .csv, .md or .tex.")
    ] = None,
    distance: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Distances, separated by commas, or all [default: all; one for several models].",
            autocompletion=distances,
        ),
    ] = "",
    at: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Where scores are taken: projection, or best (the best layer before it).",
            autocompletion=one_of("projection", "best"),
        ),
    ] = "projection",
    sort: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Data set to sort the rows by [default: the first].",
            autocompletion=data_sets,
        ),
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON on stdout instead of a table, in full precision.")
    ] = False,
) -> int:
    """Show all models in one table, one column per data set.

    Runs that were measured in different ways have separate columns. Each interval belongs to one score: to find out
    whether one of two models is above the other, use `alignbench compare`.
    """
    from alignbench.report.tables.leaderboard import board_sheet, board_table, lead
    from alignbench.report.tables.sheet import write_table
    from alignbench.study.study import read_study

    check_output(output, _TABLES)
    if json and output is not None:
        raise UsageError("--json prints what --output writes: leave one of them out")
    with working("reading the runs"):
        study, skipped = read_study(places)
    distances = shown_distances(distance, [run.curve for run in study.runs])
    board = lead(study, distances, at, sort)
    for line in skipped:
        print_error(line)
    table, sheet = board_table(board), board_sheet(board, study)
    if json:
        print_json(table)
    elif output is not None:
        write_table(table, sheet, output)
        print(output)
    else:
        print_table(_shown(sheet))
        for line in sheet.caption:
            print_status(line)
    return 1 if skipped else 0


def _shown(sheet: Sheet) -> Table:
    """The table as a terminal shows it."""
    from rich.table import Table

    table = Table(title=sheet.title, title_justify="left", title_style="bold")
    for name in sheet.header:
        table.add_column(name, justify="right" if name in sheet.numbers else "left", overflow="fold")
    for place, row in enumerate(sheet.rows, start=1):
        table.add_row(*row, end_section=place == len(sheet.rows) - sheet.last)
    return table
