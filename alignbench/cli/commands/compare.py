"""`alignbench compare`: how far one run lies above another on the judgments that both hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.errors import DataError, unwritable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_NAMED: Final = 3  # at most so many run folders are named as examples


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder.")],
    second: Annotated[Path, typer.Argument(help="Another, on the same data.")],
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    output: Annotated[Path | None, typer.Option(help="Also write the table to this .csv file.")] = None,
) -> None:
    """Compare two runs: paired differences with intervals.

    They are taken at the projection, at the best layer and at every layer.
    """
    from alignbench.cli.console import print_table
    from alignbench.results.extent import extents, measured_on
    from alignbench.results.stored_run import StoredRun
    from alignbench.study.comparison import compare as compare_runs
    from alignbench.study.comparison import fitted_apart

    for folder in (first, second):
        _check_run_folder(folder)
    table = compare_runs(first, second, seed)
    runs = StoredRun(first), StoredRun(second)
    labels = [run.label for run in runs]
    if labels[0] == labels[1]:
        labels = [first.name, second.name]
    print_table(difference_table(table, labels))
    kinds = ", ".join(dict.fromkeys(table["interval"]))
    print(f"95 % intervals of paired differences: {kinds}. p (Holm) is corrected for all {len(table)} rows.")
    print("Rows of layers and depths are pointwise: each interval holds for its row alone.")
    for name, run in zip(labels, runs, strict=True):
        if any(extents(run.curve).values()):
            print(f"{name} was measured on {measured_on(run.curve)}.")
    if fitted_apart(*runs):
        print("normalized_euclidean: the channel means of the two runs were fitted on different pairs.")
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(output, index=False)
        except OSError as error:
            raise unwritable(output, error) from error
        print(output)


def _check_run_folder(place: Path) -> None:
    """Refuse a place that no run was written to; a run folder that lost a file is refused by whoever reads that file.

    Raises:
        DataError: If it is no run folder; names some of those that lie in it.
    """
    from alignbench.results.folders import FILES, find_folders

    try:
        if any((place / name).exists() for name in FILES):
            return
    except OSError:  # a folder that may not be looked into is refused with its reason when it is read
        return
    inside = [str(folder) for folder in find_folders("run.json", [place])]
    if inside:
        raise DataError(f"{place} is no run folder: name one of those in it, such as {' or '.join(inside[:_NAMED])}")
    what = "is not there" if not place.exists() else "is no run folder" if place.is_dir() else "is no folder"
    raise DataError(f"{place} {what}: name a folder that `alignbench run` made")


def difference_table(table: pd.DataFrame, labels: list[str]) -> Table:
    """The table of differences as it is printed.

    Args:
        table: The rows of `alignbench.study.comparison.compare`.
        labels: Names of the two runs, which stand in the title.
    """
    from rich.table import Table

    from alignbench.models.layer_names import IMAGE

    shown = Table(title=f"{labels[0]} minus {labels[1]}", title_justify="left", title_style="bold")
    for name in ("subset", "distance", "metric", "place"):
        shown.add_column(name, overflow="fold")
    for name in ("first", "second", "difference", "95 % interval", "p (Holm)", "judgments"):
        shown.add_column(name, justify="right")
    for row in table.itertuples():
        # a baseline, whose one score stands beside every layer of a tower, does not tell the layers apart
        layer = row.second_layer if row.first_layer == IMAGE else row.first_layer
        names = {"layer": layer, "aligned": layer, "depth": f"depth {row.depth:.1f} %"}
        where = names.get(row.place, row.place)
        if row.place == "best layer":
            where = f"best layer ({row.first_layer}, {row.second_layer})"
        shown.add_row(
            str(row.subset),
            str(row.distance),
            str(row.metric),
            str(where) + (" (pointwise)" if row.place in ("layer", "depth") else ""),
            _format_number(row.first),
            _format_number(row.second),
            _format_number(row.difference, "+"),
            f"{row.ci_low:+.3f} .. {row.ci_high:+.3f}" if row.ci_low == row.ci_low else "-",
            f"{row.p_holm:.3f}" if row.p_holm == row.p_holm else "-",
            f"{row.n:,}",
        )
    return shown


def _format_number(value: float, sign: str = "") -> str:
    """Write a number, or a dash where there is none (NaN)."""
    return f"{value:{sign}.3f}" if value == value else "-"
