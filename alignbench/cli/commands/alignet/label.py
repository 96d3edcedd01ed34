"""`alignbench alignet label`: a teacher's similarities of triplets, the odd one out last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.cli.commands.alignet.cluster import FeatureLayer, Force, Overwrite, StageFolders, Teacher
from alignbench.cli.completion import one_of
from alignbench.cli.options import AsJson, check_output, print_error
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table


def label(
    triplets: Annotated[
        Path,
        typer.Option(metavar="FOLDER|FILE.npz", help="Triplets: a folder of `alignet sample`, or a published file."),
    ],
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Features of the pictures; may be left out for a published file, which holds similarities.",
        ),
    ] = None,
    teacher: Teacher = None,
    untransformed: Annotated[
        bool, typer.Option("--untransformed", help="Use the features as they are, without a teacher, as a control.")
    ] = False,
    layer: FeatureLayer = None,
    similarity: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Similarity of two pictures: dot (dot product) or cosine.",
            autocompletion=one_of("dot", "cosine"),
        ),
    ] = "dot",
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the pictures of a published file, to check that all are there."),
    ] = None,
    write_released: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Write the labelled triplets to this file too, in the published form."),
    ] = None,
    force: Force = False,
    output: StageFolders = Path("alignet"),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Label triplets with a teacher: the odd one out comes last.

    The similarities of the three pairs are stored unscaled, as [s01, s02, s12].
    The last line of stdout is the folder.
    """
    from alignbench.alignet.label_folder import LabellingJob, label_triplets, take_released, warn_of_scale
    from alignbench.alignet.labelled_triplets import STAGE, LabelledTriplets
    from alignbench.alignet.released_triplets import check_file_names
    from alignbench.alignet.released_triplets import write_released as write_file
    from alignbench.alignet.sampled_triplets import SampledTriplets
    from alignbench.alignet.stage_folders import read_record
    from alignbench.alignet.teacher_features import teacher_features
    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.working import working
    from alignbench.datasets.image_folder import image_folder
    from alignbench.results.folders import check_writable

    _check_options(triplets, features, teacher, untransformed, images)
    check_output(write_released, (".npz",), "--write-released")
    if write_released is not None and write_released.exists() and not overwrite:
        raise UsageError(f"{write_released} is there: name another --write-released, or add --overwrite")
    check_writable(output)

    def writable(names: Sequence[str]) -> None:
        if write_released is not None:
            check_file_names(write_released, names)

    with working("labelling triplets"):
        if features is None:
            taken = LabelledTriplets.open(triplets)
            if images is not None:
                taken = taken.of_pictures(image_folder(images).names, "the folder of pictures")
            writable(taken.names)
            folder, is_finished = take_released(taken, output, overwrite)
        else:
            seen = teacher_features(features, layer, teacher, force)
            drawn = SampledTriplets.open(triplets)
            writable(drawn.names)
            folder, is_finished = label_triplets(LabellingJob(drawn, seen, similarity, output, overwrite))
        if write_released is not None:
            labelled = LabelledTriplets.open(folder)
            write_file(write_released, labelled.names, labelled.triplets, labelled.similarities)
    if is_finished:
        print_error(f"these labels are finished: taken from {folder}")
    record = read_record(folder, STAGE)
    warn_of_scale(record["scale"])
    if as_json:
        print_json({"folder": str(folder), **record})
        return
    print_table(_table(record["scale"]))
    print(folder)


def _check_options(
    triplets: Path, features: Path | None, teacher: str | None, untransformed: bool, images: Path | None
) -> None:
    """Refuse options that contradict each other."""
    if features is None:
        if triplets.suffix != ".npz":
            raise UsageError(f"{triplets} has no labels yet: give --features, and --teacher or --untransformed")
        if teacher is not None or untransformed:
            raise UsageError("a teacher needs features: give --features, or leave out --teacher and --untransformed")
        return
    if (teacher is None) != untransformed:
        fault = "contradict each other: leave one out" if untransformed else "are both missing: give one of them"
        raise UsageError(f"--teacher and --untransformed {fault}")
    if images is not None:
        raise UsageError("--images goes with the labels of a published file: leave out --images or --features")


def _table(scale: dict[str, Any]) -> Table:
    """How large the similarities are, in a row."""
    from rich.table import Table

    known = scale["odd_was_last"]
    table = Table(title="Labels", title_justify="left")
    cells = {
        "triplets": f"{scale['triplets']:,}",
        "first similarity largest": f"{100 * scale['first_largest']:.4g} %",
        "ties": f"{100 * scale['ties']:.4g} %",
        "last picture was the odd one": "" if known is None else f"{100 * known:.1f} %",
        "mean": f"{scale['mean']:.4g}",
        "deviation": f"{scale['std']:.4g}",
        "entropy of targets (nats)": f"{scale['entropy']:.3f}",
        "targets above 0.99": f"{100 * scale['sure']:.1f} %",
    }
    for name in cells:
        table.add_column(name, justify="right")
    table.add_row(*cells.values())
    return table
