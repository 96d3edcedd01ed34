"""`alignbench reproduce`: our numbers beside the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.errors import DataError, UsageError, unwritable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_PARTS = ["distance", "metric"]


def reproduce(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of them.")],
    output: Annotated[Path | None, typer.Option(help="File to write all rows to: .csv.")] = None,
) -> None:
    """Put our numbers beside the published ones.

    They stand layer by layer, with the largest and the mean difference.
    """
    import pandas as pd

    from alignbench.cli.console import print_table
    from alignbench.results.published import SOURCE, caveats, compare_with_published, obstacle
    from alignbench.results.run_folder import find_runs
    from alignbench.results.stored_run import StoredRun

    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"{output} has no ending of a table: use .csv")
    tables = []
    for folder in dict.fromkeys(find_runs(runs)):
        stored = StoredRun(folder)
        curve, settings = stored.curve, stored.settings
        reason = obstacle(curve)
        if reason:
            print(f"{curve.label} on {curve.dataset} is not compared: {reason} ({folder})")
            continue
        table = compare_with_published(curve, settings)
        for (distance, metric), part in table.groupby(_PARTS, sort=False):
            print_table(_layer_table(part, f"{curve.label} on {curve.dataset}, {distance}, {metric}"))
            print(_verdict(part))
        for text in caveats(curve, settings):
            print(f"note: {text}")
        print(folder, end="\n\n")
        tables.append(table.assign(run=folder.name))
    if not tables:
        raise DataError(
            "none of these runs has a published counterpart: measure a model of the paper on tid2013, nights or things "
            "with --protocol paper"
        )
    print_table(_summary(tables, f"Ours and the published values ({SOURCE})"))
    if output is not None:
        _write(pd.concat(tables, ignore_index=True), output)
        print(output)


def _layer_table(rows: pd.DataFrame, title: str) -> Table:
    """A line for each layer; oddities of single values in a last column."""
    from rich.table import Table

    from alignbench.results.published import oddity

    odd = [oddity(row.published_model, row.dataset, row.layer) for row in rows.itertuples()]
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("layer")
    for name in ("depth", "ours", "95 % interval", "published", "difference"):
        table.add_column(name, justify="right")
    table.add_column("inside")
    if any(odd):
        table.add_column("known about the published value", overflow="fold")
    spoken = rows["inside"].map({True: "yes", False: "no"}).fillna("-")
    for row, inside, text in zip(rows.itertuples(), spoken, odd, strict=True):
        interval = "-" if row.ci_low != row.ci_low else f"{row.ci_low:.4f} .. {row.ci_high:.4f}"
        scores = (f"{row.ours:.4f}", interval, f"{row.published:.4f}", f"{row.difference:+.4f}")
        table.add_row(row.layer, f"{row.depth:.1f}", *scores, inside, *([text] if any(odd) else []))
    return table


def _verdict(rows: pd.DataFrame) -> str:
    """The largest and the mean absolute difference of some rows, and how many published values lie in our interval."""
    size = rows["difference"].abs()
    if size.isna().all():
        return "no difference: ours has no score there"
    worst = rows.loc[size.idxmax()]
    return (
        f"largest difference {worst['difference']:+.4f} at {worst['layer']}, "
        f"mean absolute difference {size.mean():.4f} over {size.count()} values; "
        f"published inside our interval: {_inside(rows)}"
    )


def _inside(rows: pd.DataFrame) -> str:
    known = rows["inside"].dropna()
    return f"{int(known.sum())} of {len(known)}"


def _summary(tables: list[pd.DataFrame], title: str) -> Table:
    """A line for each run, distance and metric."""
    from rich.table import Table

    summary = Table(title=title, title_justify="left", title_style="bold")
    for name in ("model", "data set", "distance", "metric"):
        summary.add_column(name, overflow="fold")
    for name in ("judgments", "values", "mean |difference|", "largest"):
        summary.add_column(name, justify="right")
    summary.add_column("at", overflow="fold")
    summary.add_column("inside", justify="right")
    for table in tables:
        for (distance, metric), rows in table.groupby(_PARTS, sort=False):
            first, size = rows.iloc[0], rows["difference"].abs()
            gaps = ["-", "-", "-"]
            if size.notna().any():
                worst = rows.loc[size.idxmax()]
                gaps = [f"{size.mean():.4f}", f"{worst['difference']:+.4f}", str(worst["layer"])]
            counts = (f"{first['n']:,}", str(size.count()))
            summary.add_row(first["model"], first["dataset"], distance, metric, *counts, *gaps, _inside(rows))
    return summary


def _write(table: pd.DataFrame, output: Path) -> None:
    """Write all rows, the folder of the run first."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        table[["run", *table.columns.drop("run")]].to_csv(output, index=False)
    except OSError as error:
        raise unwritable(output, error) from error
