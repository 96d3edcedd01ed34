"""`alignbench compare`: does one model lie above another on the judgments that both hold, and how certain is that?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import data_sets, distances, one_of
from alignbench.cli.options import AsJson
from alignbench.errors import unwritable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from alignbench.study.answers import Comparison

_BEYOND: Final = {
    "spearman_beyond": "spearman_beyond: the partial rank correlation of closeness and ratings, given the other's.",
    "choices": (
        "log_likelihood_beyond (nats a judgment) and accuracy_beyond: what a conditional logit on both distances gains "
        "over one on the other's alone, on clusters that neither was fitted to."
    ),
}


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Label of finished runs, or a run folder.")],
    second: Annotated[str, typer.Argument(metavar="OTHER", help="Label or run folder whose scores are subtracted.")],
    at: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Where to compare: projection, best (best layer), the name of a layer, curve (all depths), or all.",
            autocompletion=one_of("projection", "best", "curve", "all"),
        ),
    ] = "projection",
    distance: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Distances, separated by commas, or all [default: normalized_euclidean if both have it].",
            autocompletion=distances,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Data sets, separated by commas [default: all that both have].",
            autocompletion=data_sets,
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to look for labels in.")] = Path("runs"),
    given: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Label or run folder of a third run, such as pixels: what does each say beyond it?"
        ),
    ] = None,
    over: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="What is resampled for intervals: clusters, or the objects of odd-one-out choices.",
            autocompletion=one_of("clusters", "objects"),
        ),
    ] = "clusters",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.", min=0)] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File to write the table to: .csv; with --given, a second one is written beside it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Compare two models, and say whether one scores higher.

    Two models are separable if the interval of their difference excludes 0, corrected for all questions of the command.
    Labels are compared on every data set that both were measured on. If a folder among the runs cannot be read, it is
    named and the exit status is 1.
    """
    from alignbench.cli.console import print_json, print_status, print_table
    from alignbench.cli.options import check_output
    from alignbench.study.answers import compare as answer

    check_output(output, (".csv",))
    found = answer(
        first,
        second,
        at=at,
        distance=distance,
        dataset=dataset,
        runs=runs,
        over=over,
        seed=seed,
        given=given,
    )
    if output is not None:
        _write(found.table, output)
        print_status(f"wrote {output}")
        if not found.beyond.empty:
            beside = output.with_name(f"{output.stem}-given{output.suffix}")
            _write(found.beyond, beside)
            print_status(f"wrote {beside}")
    if as_json:
        print_json(_as_json(found))
        return 1 if found.skipped else 0
    title, rows = found.titled_cells()
    print(title)  # which a table would break where its columns end
    print_table(answer_table(rows))
    for line in found.remarks:
        print(line)
    if not found.beyond.empty:
        print_table(beyond_table(found.beyond))
        for line in dict.fromkeys(_BEYOND.get(metric, _BEYOND["choices"]) for metric in found.beyond["metric"]):
            print(line)
    print()
    for sentence in found.sentences:
        print(sentence)
    return 1 if found.skipped else 0


def _as_json(found: Comparison) -> dict[str, object]:
    parts: dict[str, object] = {"first": found.first, "second": found.second, "rows": found.table}
    parts |= {"sentences": found.sentences, "remarks": found.remarks, "skipped": found.skipped}
    return parts | ({} if found.beyond.empty else {"beyond": found.beyond})


def _write(table: pd.DataFrame, output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(output, index=False)
    except OSError as error:
        raise unwritable(output, error) from error


def answer_table(rows: list[dict[str, str]]) -> Table:
    """The table of what was asked, as it is printed.

    Args:
        rows: The cells of each row by column, see `Comparison.titled_cells`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from alignbench.study.answer_texts import PLACED

    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in rows[0]:
        is_text = name in PLACED
        shown.add_column(name, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
    for row in rows:
        shown.add_row(*row.values())
    return shown


def beyond_table(table: pd.DataFrame) -> Table:
    """What runs say beyond another, as it is printed: at the projection, and at the layer that says most.

    Args:
        table: The rows of `alignbench.study.beyond.beyond`, with a column `dataset`.
    """
    from rich.table import Table

    from alignbench.study.answer_texts import number

    shown = Table(title=f"Beyond {table['given'].iloc[0]}", title_justify="left", title_style="bold")
    names = ["model", "dataset", "subset", "distance", "metric"]
    for name in ("model", "data set", *names[2:], "place"):
        shown.add_column(name, overflow="fold")
    for name in ("value", "95 % interval", "judgments"):
        shown.add_column(name, justify="right")
    for keys, rows in table.groupby(names, sort=False):
        known = rows.dropna(subset="value")
        chosen = [(rows.iloc[-1], str(rows.iloc[-1]["layer"]))]
        if len(rows) > 1 and len(known):
            most = known.loc[known["value"].idxmax()]
            chosen.append((most, f"highest (selected: {most['layer']})"))
        for row, place in chosen:
            ends = f"{row['ci_low']:+.3f} .. {row['ci_high']:+.3f}" if row["ci_low"] == row["ci_low"] else "-"
            shown.add_row(*map(str, keys), place, number(row["value"], "+"), ends, f"{row['n']:,}")
    return shown
