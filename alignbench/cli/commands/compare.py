"""`alignbench compare`: how far one run lies above another on the judgments that both hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alignbench.errors import DataError, UsageError, unknown, unwritable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_NAMED: Final = 3  # at most so many run folders are named as examples
_SELECTED: Final = "best layer"
_SMALL: Final = 0.001  # p-values below are not written out
_SIGNIFICANT: Final = 0.05  # after Holm's correction
_BEYOND: Final = {
    "spearman_beyond": "spearman_beyond: the partial rank correlation of closeness and ratings, given the other's.",
    "choices": (
        "log_likelihood_beyond (nats a judgment) and accuracy_beyond: what a conditional logit on both distances gains "
        "over one on the other's alone, on clusters that neither was fitted to."
    ),
}


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder.")],
    second: Annotated[Path, typer.Argument(help="Another, on the same data.")],
    given: Annotated[
        Path | None, typer.Option(help="A run on the same judgments, such as pixels: what do both say beyond it?")
    ] = None,
    over: Annotated[
        str, typer.Option(help="What intervals are over: clusters, or the objects of odd-one-out choices.")
    ] = "clusters",
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Also write the table to this .csv file, with --given another beside it.")
    ] = None,
) -> None:
    """Compare two runs: paired differences with intervals.

    They are taken at the projection, at the best layer and at every layer.
    """
    import pandas as pd

    from alignbench.cli.console import print_table
    from alignbench.results.extent import extents, measured_on
    from alignbench.results.stored_run import StoredRun
    from alignbench.study.beyond import beyond
    from alignbench.study.comparison import OVER, where_they_differ
    from alignbench.study.comparison import compare as compare_runs
    from alignbench.study.shared_judgments import fitted_apart

    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"{output} has no ending of a table: use .csv")
    for folder in (first, second, *([given] if given else [])):
        _check_run_folder(folder)
    if over not in OVER:
        raise unknown("kind of interval", over, OVER)
    table = compare_runs(first, second, seed, over)
    further = None if given is None else pd.concat([beyond(folder, given, seed) for folder in (first, second)])
    runs = StoredRun(first), StoredRun(second)
    labels = [run.label for run in runs]
    if labels[0] == labels[1]:
        labels = [first.name, second.name]
    print_table(difference_table(table, labels))
    kinds = ", ".join(dict.fromkeys(table["interval"]))
    print(f"95 % intervals of paired differences: {kinds}. p (Holm) is corrected for all {len(table)} rows.")
    for line in remarks(table):
        print(line)
    for line in where_they_differ(table, *labels):
        print(line)
    for name, run in zip(labels, runs, strict=True):
        if any(extents(run.curve).values()):
            print(f"{name} was measured on {measured_on(run.curve)}.")
    if fitted_apart(*runs):
        print("normalized_euclidean: the channel means of the two runs were fitted on different pairs.")
    if further is not None:
        print_table(beyond_table(further))
        print(_BEYOND["spearman_beyond" if "spearman_beyond" in set(further["metric"]) else "choices"])
    if output is not None:
        _write(table, output)
        if further is not None:
            _write(further, output.with_name(f"{output.stem}-given{output.suffix}"))


def _write(table: pd.DataFrame, output: Path) -> None:
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
    for name in ("first", "second", "difference", "95 % interval", "p (Holm)", "could be seen", "judgments"):
        shown.add_column(name, justify="right")
    for row in table.itertuples():
        # a baseline, whose one score stands beside every layer of a tower, does not tell the layers apart
        layer = row.second_layer if row.first_layer == IMAGE else row.first_layer
        names = {"layer": layer, "aligned": layer, "depth": f"depth {row.depth:.1f} %"}
        where = names.get(row.place, row.place)
        if row.place == _SELECTED:
            where = f"best layer (selected: {row.first_layer}, {row.second_layer})"
        shown.add_row(
            str(row.subset),
            str(row.distance),
            str(row.metric),
            str(where) + (" (pointwise)" if row.place in ("layer", "depth") else ""),
            _format_number(row.first),
            _format_number(row.second),
            _format_number(row.difference, "+"),
            f"{row.ci_low:+.3f} .. {row.ci_high:+.3f}" if row.ci_low == row.ci_low else "-",
            _format_p(row.p_holm),
            _could_be_seen(row),
            f"{row.n:,}",
        )
    return shown


def _format_p(p: float) -> str:
    """Write a p-value, or a dash where there is none (NaN)."""
    if p != p:
        return "-"
    return f"{p:.3f}" if p >= _SMALL else f"<{_SMALL:.3f}"


def _could_be_seen(row: Any) -> str:
    """The smallest difference that would probably be seen, beside one that is not separable from 0."""
    separable = row.p_holm < _SIGNIFICANT and (row.ci_low > 0.0 or row.ci_high < 0.0)
    return "" if separable or row.smallest != row.smallest else f"{row.smallest:.3f}"


def remarks(table: pd.DataFrame) -> list[str]:
    """What has to be known to read a table of differences, a line each."""
    places = set(table["place"])
    found = []
    if places & {"layer", "depth"}:
        found.append("Rows of layers and depths are pointwise: each interval holds for its row alone.")
    if _SELECTED in places:
        found.append(
            "best layer: selected on these judgments, so that its scores are too high; its interval and p hold for the "
            "best layers whichever they are, over all pairs of layers."
        )
    if any("cross-fitted" in place for place in places):
        found.append(
            "cross-fitted: the score of the layer that the data choose, chosen on some clusters (or objects) and "
            f"scored on others, {_shares_used(table)} of the judgments at a time; an estimate, not a test."
        )
    if table["smallest"].notna().any():
        found.append(
            "could be seen: the smallest true difference that an interval would exclude 0 for in 80 % of studies."
        )
    if table["floored"].any():
        found.append(
            f"{int(table['floored'].sum())} intervals may be too narrow: what triplets with a common object share came "
            "out below chance, and distinct triplets are counted instead."
        )
    return found


def _shares_used(table: pd.DataFrame) -> str:
    """The share of the judgments that cross-fitting uses at a time, in words."""
    shares = dict.fromkeys(f"{100 * share:.0f} %" for share in table["share_used"].dropna())
    return " or ".join(shares)


def beyond_table(table: pd.DataFrame) -> Table:
    """What runs say beyond another, as it is printed: at the projection, and at the layer that says most.

    Args:
        table: The rows of `alignbench.study.beyond.beyond`.
    """
    from rich.table import Table

    shown = Table(title=f"Beyond {table['given'].iloc[0]}", title_justify="left", title_style="bold")
    for name in ("model", "subset", "distance", "metric", "place"):
        shown.add_column(name, overflow="fold")
    for name in ("value", "95 % interval", "judgments"):
        shown.add_column(name, justify="right")
    for keys, rows in table.groupby(["model", "subset", "distance", "metric"], sort=False):
        known = rows.dropna(subset="value")
        chosen = [(rows.iloc[-1], str(rows.iloc[-1]["layer"]))]
        if len(rows) > 1 and len(known):
            most = known.loc[known["value"].idxmax()]
            chosen.append((most, f"highest (selected: {most['layer']})"))
        for row, place in chosen:
            ends = f"{row['ci_low']:+.3f} .. {row['ci_high']:+.3f}" if row["ci_low"] == row["ci_low"] else "-"
            shown.add_row(*map(str, keys), place, _format_number(row["value"], "+"), ends, f"{row['n']:,}")
    return shown


def _format_number(value: float, sign: str = "") -> str:
    """Write a number, or a dash where there is none (NaN)."""
    return f"{value:{sign}.3f}" if value == value else "-"
