"""`alignbench alignet cluster`: k-means over a teacher's features of a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.cli.completion import one_of, transforms
from alignbench.cli.options import Accelerator, AsJson, print_error
from alignbench.errors import UsageError, counted

if TYPE_CHECKING:
    from rich.table import Table

    from alignbench.alignet.lloyd import LloydState

Features = Annotated[
    Path,
    typer.Option(
        metavar="FILE", help="Features of the pictures, with their names: a file that `alignbench extract` wrote."
    ),
]
FeatureLayer = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Layer in the file of features [default: the teacher's, or the only one]."),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="TRANSFORM",
        help="Teacher: a folder of `alignet teacher`, a transform's file, or one of `transform list`.",
        autocompletion=transforms,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Use the teacher even if it was made for another model or layer.")]
StageFolders = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the folder of this stage to.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Repeat the stage even if it is finished.")]


def cluster(
    features: Features,
    teacher: Teacher = None,
    layer: FeatureLayer = None,
    space: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Features to cluster: transformed (by the teacher) or raw.",
            autocompletion=one_of("transformed", "raw"),
        ),
    ] = "transformed",
    clusters: Annotated[int, typer.Option(metavar="N", help="Number of clusters.")] = 500,
    iterations: Annotated[int, typer.Option(metavar="N", help="Largest number of iterations.")] = 300,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="NUMBER",
            help="Stop when centroids move less than this, relative to the mean variance of the features.",
        ),
    ] = 1e-4,
    accelerator: Accelerator = "auto",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the first centroids.", min=0)] = 0,
    force: Force = False,
    output: StageFolders = Path("alignet"),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Cluster pictures by k-means on a teacher's features.

    Every iteration takes all pictures. The last line of stdout is the folder.
    If the command was stopped, the same command goes on after the last iteration.
    """
    from alignbench.alignet.clustering import ClusteringJob, cluster_pictures
    from alignbench.alignet.k_means import KMeansOptions
    from alignbench.alignet.picture_groups import CLUSTERING
    from alignbench.alignet.stage_folders import read_record
    from alignbench.alignet.teacher_features import teacher_features
    from alignbench.cli.console import print_json, print_status, print_table
    from alignbench.cli.working import working
    from alignbench.errors import unknown
    from alignbench.results.folders import check_writable

    if space not in ("transformed", "raw"):
        raise unknown("space", space, ("transformed", "raw"))
    if (space == "raw") != (teacher is None):
        fault = (
            "takes no teacher: leave out --teacher" if teacher else "needs a teacher: give --teacher, or --space raw"
        )
        raise UsageError(f"--space {space} {fault}")
    options = KMeansOptions(seed, iterations, tolerance, device_of(accelerator)).checked()
    seen = teacher_features(features, layer, teacher, force)
    check_writable(output)
    print_status(f"{len(seen.names):,} pictures, {seen.layer.name}, {seen.width:,} numbers each, {options.device}")
    shown: list[int] = []

    def heard(state: LloydState) -> None:
        if not shown and state.iteration > 0:
            print_status(f"this was stopped after {counted(state.iteration, 'iteration')}: it goes on from there")
        shown.append(state.iteration)

    with working("clustering"):
        folder, is_finished = cluster_pictures(ClusteringJob(seen, clusters, options, output, overwrite), heard)
    if is_finished:
        print_error(f"these clusters are finished: taken from {folder}")
    record = read_record(folder, CLUSTERING)
    if as_json:
        print_json({"folder": str(folder), **record})
        return
    print_table(_table(record))
    print(folder)


def device_of(accelerator: str) -> str:
    """Return the device that is meant.

    Args:
        accelerator: `auto`, `cpu` or `cuda`.

    Raises:
        UsageError: If there is no such device, or not here.
    """
    import torch

    from alignbench.errors import unknown
    from alignbench.measurement.sources import check_accelerator

    if accelerator not in ("auto", "cpu", "cuda"):
        raise unknown("accelerator", accelerator, ("auto", "cpu", "cuda"))
    check_accelerator(accelerator)
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _table(record: dict[str, Any]) -> Table:
    """What was found, in a row."""
    import numpy as np
    from rich.table import Table

    settings, sizes = record["settings"], np.array(record["sizes"])
    table = Table(title="Clusters", title_justify="left")
    cells = {
        "clusters": f"{len(sizes):,}",
        "pictures": f"{sizes.sum():,}",
        "smallest": f"{sizes.min():,}",
        "median": f"{np.median(sizes):,.0f}",
        "largest": f"{sizes.max():,}",
        "with one picture": f"{record['alone']:,}",
        "inertia": f"{record['inertia']:.6g}",
        "iterations": f"{record['iterations']:,}",
        "stopped by": record["stopped_by"],
        "space": settings["space"],
    }
    for name in cells:
        table.add_column(name, justify="right")
    table.add_row(*cells.values())
    return table
