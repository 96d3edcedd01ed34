"""`alignbench alignet evaluate`: what a model gained by being taught, and what it lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alignbench.cli.completion import data_sets, distances, models, one_of, transforms
from alignbench.cli.options import (
    Accelerator,
    AsJson,
    BatchSize,
    DataRoot,
    Limit,
    LoaderWorkers,
    PixelCacheFolder,
    Precision,
    Similarity,
    Tokens,
    Wandb,
    data_sets_in,
    default_root,
    names_in,
    parse_batch_size,
    print_error,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_TEXTS: Final = ("measure", "data", "seen")
_SIDE_BY_SIDE: Final = tuple(
    (name,)
    for name in (
        *("measure", "data", "before", "after", "difference", "95 % for all rows", "p", "relative", "ceiling"),
        *("of the gap", "n", "seen"),
    )
)
_BELOW_EACH_OTHER: Final = (
    _TEXTS,
    ("before", "after", "ceiling"),
    ("difference", "95 % for all rows"),
    ("relative", "of the gap"),
    ("p", "n"),
)


def evaluate(
    after: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Model after teaching: the folder of a student, or any model.", autocompletion=models
        ),
    ],
    before: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Model before teaching [default: the model that the student was trained from].",
            autocompletion=models,
        ),
    ] = "",
    head: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Affine transform to put on top of the model after; its output is what is judged.",
            autocompletion=transforms,
        ),
    ] = "",
    teacher: Annotated[
        str,
        typer.Option(
            metavar="TRANSFORM",
            help="Transform of the teacher; results on data that it was learned from are marked.",
            autocompletion=transforms,
        ),
    ] = "",
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Data sets of people's judgments, separated by commas [default: none].",
            autocompletion=data_sets,
        ),
    ] = "",
    data_root: DataRoot = None,
    distance: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Distances to compare by, separated by commas: normalized_euclidean, euclidean, cosine.",
            autocompletion=distances,
        ),
    ] = "cosine",
    at: Annotated[
        str,
        typer.Option(
            metavar="LAYER",
            help="Where to compare: projection, or the name of a layer that both have.",
            autocompletion=one_of("projection"),
        ),
    ] = "projection",
    tokens: Tokens = "all",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Protocol: corrected (shared ties, noise ceilings) or paper (as published, without ceilings).",
            autocompletion=one_of("corrected", "paper"),
        ),
    ] = "corrected",
    labelled: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Pictures for few-shot classification: a folder of class folders."),
    ] = None,
    shots: Annotated[
        int, typer.Option(metavar="N", help="Pictures per class to learn from in few-shot classification.")
    ] = 5,
    hierarchy: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Superordinates of the --labelled classes: a .csv of class,superordinate, or the word folders.",
        ),
    ] = "",
    shift: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="FOLDER FOLDER",
            help="Two folders with the same classes: one to learn from, and one of another kind to test on.",
        ),
    ] = None,
    triplets: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PLACE",
            help="Labelled triplets: a folder of `alignet label`, or a published file; may be given several times.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the pictures of the triplets.")
    ] = None,
    similarity: Similarity = "cosine",
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    accelerator: Accelerator = "auto",
    loader_workers: LoaderWorkers = None,
    pixel_cache: PixelCacheFolder = "",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of random weights, draws and resampling.")] = 0,
    limit: Limit = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the folder of results to.")] = Path(
        "alignet"
    ),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Measure and judge again even if it is finished.")
    ] = False,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Compare a model before and after it was taught.

    Runs of both models go to the folder `runs` within --output; finished ones are not measured again.
    The last line of stdout is the folder of the results.
    """
    from alignbench.alignet.evaluation.config import GainsConfig
    from alignbench.alignet.evaluation.run import GainsListener, evaluate_student
    from alignbench.alignet.evaluation.seen import model_before
    from alignbench.cli.console import print_json, print_status
    from alignbench.cli.progress import ConsoleListener, LearningProgress
    from alignbench.report.figures.gains import draw_gains
    from alignbench.results.gains import read_gains
    from alignbench.tracking.gains_run import log_gains
    from alignbench.tracking.tracker import tracker_for
    from alignbench.transforms.learning.folder import Destination

    names = data_sets_in(dataset, data_root) if dataset else ()
    first = model_before(before, after)
    config = GainsConfig(
        before=first,
        after=after,
        head=head or None,
        teacher=teacher or None,
        datasets=names,
        roots=tuple(data_root or default_root(name) for name in names),
        distances=names_in(distance),
        at=at,
        tokens=tokens,
        protocol=protocol,
        limit=limit,
        labelled=labelled,
        shots=shots,
        shift=shift,
        triplets=tuple(triplets or ()),
        images=images,
        similarity=similarity,
        hierarchy=hierarchy,
        batch_size=parse_batch_size(batch_size),
        precision=precision,
        accelerator=accelerator,
        workers=loader_workers,
        pixel_cache=pixel_cache or None,
        seed=seed,
    ).checked()
    tracker = tracker_for(wandb)
    drawn = partial(draw_gains, title=f"{after}: after against before ({first})")

    def complete(frame: pd.DataFrame, place: Path) -> None:
        drawn(frame, place)
        if tracker is not None:
            tracker.mark(place)

    with LearningProgress() as pictures:
        listener = GainsListener(ConsoleListener(), pictures)
        folder, is_finished = evaluate_student(config, Destination(output, complete, overwrite), listener)
    if is_finished:
        print_error(f"this is finished: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_gains)
        if tracker.offline:
            print_error(tracker.how_to_upload())
    frame, record = read_gains(folder)
    if as_json:
        print_json(frame.assign(folder=str(folder)))
        return
    print_gains(frame, f"{record['settings']['after']} after, {record['settings']['before']} before")
    for note in record["notes"]:
        print_status(note)
    print(folder)


def print_gains(frame: pd.DataFrame, title: str) -> None:
    """Print what was before and after, with cells below each other where the terminal is too narrow.

    Args:
        frame: `evaluation.csv`.
        title: Title of the table.
    """
    from alignbench.cli.console import print_table

    print_table(gains_table(frame, title), narrow=gains_table(frame, title, _BELOW_EACH_OTHER))


def gains_table(frame: pd.DataFrame, title: str, columns: Sequence[Sequence[str]] = _SIDE_BY_SIDE) -> Table:
    """What was before and after: the difference with the interval that holds for all rows, and relative to what.

    Args:
        frame: `evaluation.csv`.
        title: Title of the table.
        columns: What is in each column, from top to bottom.
    """
    from rich.table import Table

    from alignbench.results.gains import with_distances

    table = Table(title=title, title_justify="left")
    for names in columns:
        table.add_column("\n".join(names), justify="left" if names[0] in _TEXTS else "right", overflow="fold")
    for row in with_distances(frame).to_dict("records"):
        cells = _cells(row)
        table.add_row(*("\n".join(cells[name] for name in names) for names in columns))
    return table


def _cells(row: Mapping[Any, Any]) -> dict[str, str]:
    """What is said of a row, by the name of its column."""
    from alignbench.results.extent import data_set_title
    from alignbench.results.gains import marked, said_measure
    from alignbench.results.layer_curve import is_simulated

    low, high = row["corrected_low"], row["corrected_high"]
    data = f"{data_set_title(row['data'])} {row['subset'] if row['subset'] != 'all' else ''}".rstrip()
    measure = "" if row["measure"] == row["task"] else f": {said_measure(row['measure'])}"
    return {
        "measure": f"{row['task']}{measure}",
        "data": f"{data} (simulated)" if is_simulated(row["data"]) else data,
        "before": _number(row["before"]) or "no score",
        "after": _number(row["after"]) or "no score",
        "difference": _number(row["difference"], "+.3f"),
        "95 % for all rows": "" if low != low else f"{low:+.3f} .. {high:+.3f}",
        "p": _number(row["p_corrected"]),
        "relative": _number(row["relative"], "+.1%"),
        "ceiling": _number(row["ceiling"]),
        "of the gap": _number(row["share_of_gap"], "+.1%"),
        "n": f"{row['n']:,}",
        "seen": marked(row["sample"]),
    }


def _number(value: float, shape: str = ".3f") -> str:
    return "" if value != value else format(value, shape)
