"""`alignbench interpret ablate`: zero-shot accuracy without the direct contributions of heads, layers or MLPs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.cli.commands.interpret.textspan import StoreFolder, StoreModel
from alignbench.cli.completion import one_of
from alignbench.cli.options import AsJson, Wandb, names_in, print_error
from alignbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from alignbench.interpret.ablation.labelled import LabelledPictures

_SHOWN = 10  # single heads in the table
_ALL = "head,layer,mlp,mlps,early"


def ablate(
    heads: StoreFolder,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="KIND[,KIND]",
            help=f"What is ablated: head, layer, mlp, mlps, class, early [default: {_ALL}, or groups alone].",
            autocompletion=one_of("head", "layer", "mlp", "mlps", "class", "early"),
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="L.H[,L.H]",
            help="Heads to ablate together, as LAYER.HEAD, such as 5.3,6.0; may be given several times.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Labels: a folder of `interpret label`; heads with the same label are ablated together.",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only label of --labels to ablate [default: every label].")
    ] = None,
    random: Annotated[
        int, typer.Option(metavar="N", help="Compare each group with N random groups of as many other heads.")
    ] = 0,
    way: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="What replaces the ablated part: mean, zero, or resample (that of another picture).",
            autocompletion=one_of("mean", "zero", "resample"),
        ),
    ] = "mean",
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Store of the same model to take means or resamples from [default: that of --heads].",
        ),
    ] = None,
    worst_group: Annotated[
        bool,
        typer.Option(
            "--worst-group", help="Score groups of class and attribute too; pictures lie in CLASS/ATTRIBUTE/."
        ),
    ] = False,
    metadata: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV with the classes of the pictures [default: their folders are their classes]."
        ),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(metavar="NAME[,NAME]", help="Columns of --metadata: name, class and, if there is one, attribute."),
    ] = "name,class",
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV with a class and a text in each row [default: texts made by --template]."
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Text for each class, with {} for its name [default: a photo of a {}]."),
    ] = None,
    model: StoreModel = None,
    draws: Annotated[int, typer.Option(metavar="N", help="Number of other pictures that resample draws.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the draws and of the bootstrap.")] = 0,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Ablate heads, layers or MLPs, and classify without them.

    Each accuracy of zero-shot classification has a 95 % interval, and stands beside that of the whole model on the same
    pictures. The last line of stdout is the folder of the accuracies, beside the store.
    """
    from alignbench.interpret.ablation.ablating import AblationJob, ZeroShot, ablate_store
    from alignbench.interpret.head_names import read_heads
    from alignbench.results.head_ablations import read_ablation

    groups = tuple(read_heads(each) for each in group or ())
    if label is not None and labels is None:
        raise UsageError("--label names one label of --labels: give --labels too")
    kinds = names_in(by) if by is not None else () if groups or labels else names_in(_ALL)
    by_label = (("", ()),) if labels else ()  # which ones is known once they are read
    job = AblationJob(kinds, groups, by_label, names_in(way), random, draws, seed).checked()
    if classes is not None and template is not None:
        raise UsageError("--classes gives the texts that --template would make: leave out one of them")
    from dataclasses import replace

    from alignbench.cli.console import print_json, print_status, print_table
    from alignbench.cli.working import working
    from alignbench.interpret.ablation.class_texts import TEMPLATE, read_class_texts, templated
    from alignbench.interpret.label_groups import label_groups
    from alignbench.interpret.store import HeadStore
    from alignbench.interpret.text_encoders.of_store import model_of, store_encoder
    from alignbench.tracking.ablations_run import log_ablations
    from alignbench.tracking.tracker import tracker_for

    store = HeadStore.open(heads)
    tracker = tracker_for(wandb)
    if tracker is not None:
        job = replace(job, marked=tracker.mark)
    if labels is not None:
        job = replace(job, labels=tuple(label_groups(labels, store, label).items()))
    other = None if reference is None else HeadStore.open(reference)
    pictures = _labelled(store.names, metadata, columns, worst_group)
    texts = (
        templated(pictures.classes, template or TEMPLATE)
        if classes is None
        else read_class_texts(classes, sorted(set(pictures.classes)))
    )
    with working(f"loading {model or model_of(store)}"):
        encoder = store_encoder(store, model)
    print_status(
        f"{len(store.names):,} images of {len(set(pictures.classes)):,} classes, {len(texts):,} classes in texts"
    )
    with working("ablating"):
        zero_shot = ZeroShot(pictures, texts, encoder, worst_group)
        folder, is_finished = ablate_store(store, zero_shot, job, other)
    if is_finished:
        print_error(f"these ablations were made before: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_ablations)
        if tracker.offline:
            print_error(tracker.how_to_upload())
    record, table = read_ablation(folder)
    if as_json:
        print_json({"folder": str(folder), **record, "ablations": _without_gaps(table)})
        return
    print_table(_shown(table))
    print(folder)


def _labelled(names: tuple[str, ...], metadata: Path | None, columns: str, worst_group: bool) -> LabelledPictures:
    from alignbench.interpret.ablation.labelled import by_folders, by_table

    if metadata is None:
        return by_folders(names, worst_group)
    wanted = names_in(columns)
    if worst_group and len(wanted) != 3:
        raise UsageError("--worst-group needs a column of attributes: give --columns NAME,CLASS,ATTRIBUTE")
    return by_table(metadata, wanted, names)


def _without_gaps(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table, with none where there is no number."""
    rows: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def _shown(table: pd.DataFrame) -> Table:
    """Accuracies of the whole model and of all arms; of single heads those that change most."""
    from rich.table import Table

    from alignbench.results.head_ablations import arm_name, rows_to_show

    own, left_out = rows_to_show(table, _SHOWN)
    shown = Table(title="Ablations", title_justify="left", caption=left_out or None)
    for name in ("ablated", "way", "score"):
        shown.add_column(name)
    for name in ("value", "95 %", "change", "95 %"):
        shown.add_column(name, justify="right")
    for row in own.itertuples(index=False):
        scored = row.measure if row.measure == "accuracy" else f"worst: {row.group} ({row.n:,})"
        change = (
            ("", "")
            if row.kind == "all"
            else (f"{row.difference:+.3f}", _ends(row.difference_low, row.difference_high))
        )
        shown.add_row(arm_name(row), row.way, scored, f"{row.value:.3f}", _ends(row.low, row.high), *change)
    return shown


def _ends(low: float, high: float) -> str:
    return "-" if low != low else f"{low:.3f} to {high:.3f}"
