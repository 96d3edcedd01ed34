"""`alignbench reproduce`: puts our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.options import AsJson, check_output, print_error
from alignbench.errors import DataError
from alignbench.files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_PARTS = ["distance", "metric"]


def reproduce(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUNS", help="Run folders, scores of heads, or folders that contain them.")
    ],
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write all rows to: .csv.")] = None,
    as_json: AsJson = False,
) -> int:
    """Compare measured scores with the published ones.

    Runs are compared layer by layer; the output says how many differences are at most 0.005.
    Scores of heads are compared measure by measure.
    """
    import pandas as pd

    from alignbench.cli.console import print_json, print_status, print_table
    from alignbench.cli.working import working
    from alignbench.results.extent import measured_on
    from alignbench.results.folders import find_folders, run_folders
    from alignbench.results.head_scores import RECORD
    from alignbench.results.published import SOURCE, caveats, compare_with_published, obstacle
    from alignbench.scoring.scored_run import readable_runs

    check_output(output, [".csv"])
    tables, tell = [], print_status if as_json else print
    scored = find_folders(RECORD, runs)
    places = [place for place in runs if run_folders(place) or not find_folders(RECORD, [place])]
    with working("reading the runs"):
        found, skipped = readable_runs(places) if places else ([], ())
    for line in skipped:
        print_error(line)
    for stored in found:
        folder, curve, settings = stored.folder, stored.curve, stored.settings
        reason = obstacle(curve)
        if reason:
            tell(f"{curve.label} on {curve.dataset} is not compared: {reason} ({folder})")
            continue
        table = compare_with_published(curve, settings)
        tables.append(table.assign(run=folder.name))
        if as_json:
            continue
        for (distance, metric), part in table.groupby(_PARTS, sort=False):
            print_table(_layer_table(part, f"{curve.label} on {measured_on(curve)}, {distance}, {metric}"))
            print(_verdict(part))
        for text in caveats(curve, settings):
            print(f"note: {text}")
        print(folder, end="\n\n")
    summed = list(tables)
    tables += _of_heads(scored, tell, quiet=as_json)
    if not tables:
        raise DataError(
            "none of these runs has a published counterpart: measure a model of the paper on tid2013, nights or things "
            "with --protocol paper"
        )
    rows = pd.concat(tables, ignore_index=True)
    rows.insert(0, "run", rows.pop("run"))
    if as_json:
        print_json(rows)
    elif summed:
        print_table(_summary(summed, f"Ours and the published values ({SOURCE})"))
    if output is not None:
        write_whole(output, rows.to_csv(index=False).encode(), "choose another --output")
        tell(str(output))
    return 1 if skipped else 0


def _of_heads(folders: list[Path], tell: Callable[[str], None], quiet: bool) -> list[pd.DataFrame]:
    """Show scores of heads beside the published ones, and return the tables."""
    from alignbench.cli.console import print_table
    from alignbench.results.head_scores import read_scores
    from alignbench.results.published_heads import HEAD_CAVEATS, HEADS_SOURCE, compare_heads, heads_obstacle

    tables = []
    for folder in folders:
        reason = heads_obstacle(read_scores(folder)[0])
        if reason:
            tell(f"{folder} is not compared: {reason}")
            continue
        table = compare_heads(folder)
        tables.append(table.assign(run=folder.name))
        if not quiet:
            print_table(_head_table(table, f"Heads of {table['model'].iloc[0]}, and {HEADS_SOURCE}"))
            print(folder, end="\n\n")
    for text in HEAD_CAVEATS if tables and not quiet else ():
        print(f"note: {text}")
    return tables


def _head_table(rows: pd.DataFrame, title: str) -> Table:
    """Make a table with a line for each of our measures that a published value may stand beside."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("measure")
    for name in ("heads", "ours", "95 % interval", "published", "difference"):
        table.add_column(name, justify="right")
    for row in rows.itertuples():
        interval = "-" if row.ci_low != row.ci_low else f"{row.ci_low:.3f} .. {row.ci_high:.3f}"
        ours, difference = (
            "-" if value != value else text
            for value, text in ((row.ours, f"{row.ours:.3f}"), (row.difference, f"{row.difference:+.3f}"))
        )
        table.add_row(row.metric, str(row.n), ours, interval, f"{row.published:.3f}", difference)
    return table


def _layer_table(rows: pd.DataFrame, title: str) -> Table:
    """Make a table with a line for each layer, and with what is odd about single values in a last column."""
    from rich.table import Table

    from alignbench.results.published import TOLERANCE, oddity

    odd = [oddity(row.published_model, row.dataset, row.layer) for row in rows.itertuples()]
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("layer")
    for name in ("depth", "ours", "95 % interval", "published", "difference"):
        table.add_column(name, justify="right")
    table.add_column(f"within {TOLERANCE:g}")
    table.add_column("inside")
    if any(odd):
        table.add_column("known about the published value", overflow="fold")
    spoken = (rows[name].map({True: "yes", False: "no"}).fillna("-") for name in ("within", "inside"))
    for row, within, inside, text in zip(rows.itertuples(), *spoken, odd, strict=True):
        interval = "-" if row.ci_low != row.ci_low else f"{row.ci_low:.4f} .. {row.ci_high:.4f}"
        scores = (f"{row.ours:.4f}", interval, f"{row.published:.4f}", f"{row.difference:+.4f}")
        table.add_row(row.layer, f"{row.depth:.1f}", *scores, within, inside, *([text] if any(odd) else []))
    return table


def _verdict(rows: pd.DataFrame) -> str:
    """Sum up some rows: how many differences are small, the largest and the mean one, and how many are inside."""
    from alignbench.results.published import TOLERANCE

    sizes = rows["difference"].abs()
    if sizes.isna().all():
        return "no difference: ours has no score there"
    worst, part = rows.loc[sizes.idxmax()], rows["part"].iloc[0]
    judged = f"within {TOLERANCE:g} of the published: {_counted(rows, 'within')}; "
    judged = f"no reproduction, as ours is of {part}: " if part else judged
    return (
        f"{judged}largest difference {worst['difference']:+.4f} at {worst['layer']}, "
        f"mean absolute difference {sizes.mean():.4f} over {sizes.count()} values; "
        f"published inside our interval, which is over other stimuli: {_counted(rows, 'inside')}"
    )


def _counted(rows: pd.DataFrame, column: str) -> str:
    """Count the rows of which something is so, among those of which it is known; of a part none is counted."""
    part, known = rows["part"].iloc[0], rows[column].dropna()
    return f"not counted for {part}" if part else f"{int(known.sum())} of {len(known)}"


def _summary(tables: list[pd.DataFrame], title: str) -> Table:
    """Make a table with a line for each run, distance and metric."""
    from rich.table import Table

    from alignbench.results.published import TOLERANCE

    summary = Table(title=title, title_justify="left", title_style="bold")
    for name in ("model", "data set", "distance", "metric"):
        summary.add_column(name, overflow="fold")
    for name in ("judgments", "values", "mean |difference|", "largest"):
        summary.add_column(name, justify="right")
    summary.add_column("at", overflow="fold")
    summary.add_column(f"within {TOLERANCE:g}", justify="right")
    summary.add_column("inside", justify="right")
    for table in tables:
        for (distance, metric), rows in table.groupby(_PARTS, sort=False):
            first, sizes = rows.iloc[0], rows["difference"].abs()
            gaps = ["-", "-", "-"]
            if sizes.notna().any():
                worst = rows.loc[sizes.idxmax()]
                gaps = [f"{sizes.mean():.4f}", f"{worst['difference']:+.4f}", str(worst["layer"])]
            counts = (f"{first['n']:,}", str(sizes.count()))
            judged = (_counted(rows, "within"), _counted(rows, "inside"))
            summary.add_row(first["model"], first["dataset"], distance, metric, *counts, *gaps, *judged)
    return summary
