"""`alignbench compare`: how far one run lies above another on the judgments that both hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.errors import unwritable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder.")],
    second: Annotated[Path, typer.Argument(help="Another, on the same data.")],
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Also write the table to this .csv file.")] = None,
) -> None:
    """Compare two runs: paired differences with intervals.

    They are taken at the projection, at the best layer and at every layer.
    """
    from alignbench.cli.console import print_table
    from alignbench.results.stored_run import StoredRun
    from alignbench.study.comparison import compare as compare_runs
    from alignbench.study.comparison import fitted_apart

    table = compare_runs(first, second, seed)
    runs = StoredRun(first), StoredRun(second)
    labels = [run.label for run in runs]
    if labels[0] == labels[1]:
        labels = [first.name, second.name]
    print_table(difference_table(table, labels))
    kinds = ", ".join(dict.fromkeys(table["interval"]))
    print(f"95 % intervals of paired differences: {kinds}. p (Holm) is corrected for all {len(table)} rows.")
    print("Rows of layers and depths are pointwise: each interval holds for its row alone.")
    if fitted_apart(*runs):
        print("normalized_euclidean: the channel means of the two runs were fitted on different pairs.")
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(output, index=False)
        except OSError as error:
            raise unwritable(output, error) from error
        print(output)


def difference_table(table: pd.DataFrame, labels: list[str]) -> Table:
    """The rows to print; `labels` are the names of the two runs."""
    from rich.table import Table

    shown = Table(title=f"{labels[0]} minus {labels[1]}", title_justify="left", title_style="bold")
    for name in ("subset", "distance", "metric", "place"):
        shown.add_column(name, overflow="fold")
    for name in ("first", "second", "difference", "95 % interval", "p (Holm)", "judgments"):
        shown.add_column(name, justify="right")
    for row in table.itertuples():
        named = {"layer": row.first_layer, "aligned": row.first_layer, "depth": f"depth {row.depth:.1f} %"}
        where = named.get(row.place, row.place)
        if row.place == "best layer":
            where = f"best layer ({row.first_layer}, {row.second_layer})"
        shown.add_row(
            str(row.subset),
            str(row.distance),
            str(row.metric),
            str(where) + (" (pointwise)" if row.place in ("layer", "depth") else ""),
            _number(row.first),
            _number(row.second),
            _number(row.difference, "+"),
            f"{row.ci_low:+.3f} .. {row.ci_high:+.3f}" if row.ci_low == row.ci_low else "-",
            f"{row.p_holm:.3f}" if row.p_holm == row.p_holm else "-",
            f"{row.n:,}",
        )
    return shown


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" if value == value else "-"
