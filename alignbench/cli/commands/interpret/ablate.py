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
        typer.Option(metavar="L.H[,L.H]", help="Heads that are ablated together, such as 5.3,6.0; may be repeated."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Labels of heads, by `interpret label`: heads of a label are a group."),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="The one label that is a group.")] = None,
    random: Annotated[
        int, typer.Option(metavar="N", help="Ablate N drawn groups of as many other heads beside each group.")
    ] = 0,
    way: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="What takes the place of what is ablated: mean, zero (nothing), or resample (another picture's).",
            autocompletion=one_of("mean", "zero", "resample"),
        ),
    ] = "mean",
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Contributions of the same model whose means or parts are taken [default: the pictures themselves].",
        ),
    ] = None,
    worst_group: Annotated[
        bool, typer.Option("--worst-group", help="Score groups too: pictures lie in CLASS/ATTRIBUTE/.")
    ] = False,
    metadata: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of classes [default: the folders of the pictures].")
    ] = None,
    columns: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Columns of names, classes, and perhaps attributes in it.")
    ] = "name,class",
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of class and text [default: a text of each class's name].")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Text with {} for the name of a class [default: a photo of a {}]."),
    ] = None,
    model: StoreModel = None,
    draws: Annotated[int, typer.Option(metavar="N", help="How often resample draws another picture.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of draws and of the bootstrap.")] = 0,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Ablate heads, layers or MLPs, and classify without them.

    Accuracies are of zero-shot classification, with 95 % intervals, each beside the whole model on the same pictures.
    The last line of stdout is the folder of them, which lies beside that of the contributions.
    """
    from alignbench.interpret.ablation.ablating import AblationJob, ZeroShot, ablate_store
    from alignbench.interpret.head_names import read_heads
    from alignbench.results.head_ablations import read_ablation

    groups = tuple(read_heads(each) for each in group or ())
    if label is not None and labels is None:
        raise UsageError("--label is one of a folder of labels: give --labels")
    kinds = names_in(by) if by is not None else () if groups or labels else names_in(_ALL)
    by_label = (("", ()),) if labels else ()  # which ones is known once they are read
    job = AblationJob(kinds, groups, by_label, names_in(way), random, draws, seed).checked()
    if classes is not None and template is not None:
        raise UsageError("--template makes the texts that --classes gives: leave out one of them")
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
        raise UsageError("--worst-group takes a column of attributes: give --columns NAME,CLASS,ATTRIBUTE")
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
