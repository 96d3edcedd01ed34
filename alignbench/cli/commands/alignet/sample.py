"""`alignbench alignet sample`: triplets of pictures, by clusters, by classes, or at random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.alignet.cluster import Overwrite, StageFolders
from alignbench.cli.completion import one_of
from alignbench.cli.options import AsJson, print_error
from alignbench.errors import UsageError, counted

if TYPE_CHECKING:
    from alignbench.alignet.picture_groups import PictureGroups


def sample(
    count: Annotated[int, typer.Option(metavar="N", help="Number of triplets.")] = 10_000_000,
    rule: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Rule to draw by: cluster-border, class-border, within-class, between-class or random.",
            autocompletion=one_of("cluster-border", "class-border", "within-class", "between-class", "random"),
        ),
    ] = "cluster-border",
    clusters: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Clusters: a folder of `alignet cluster`.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of features; only names are read: the first folder in a name is the picture's class.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Table of the pictures' classes, with the columns name and class."),
    ] = None,
    groups_by: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Probability of a cluster or class: uniform, or size (in proportion to its pictures).",
            autocompletion=one_of("uniform", "size"),
        ),
    ] = "uniform",
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the draws; another seed gives triplets for validation.", min=0)
    ] = 0,
    output: StageFolders = Path("alignet"),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw triplets of pictures from clusters or classes.

    In a border triplet the first two pictures are of one group, the third of another.
    The last line of stdout is the folder.
    """
    from alignbench.alignet.sampled_triplets import SAMPLING, SamplingJob, draw_triplets, said_small
    from alignbench.alignet.sampling import SamplingOptions
    from alignbench.alignet.stage_folders import read_record
    from alignbench.cli.console import print_json
    from alignbench.cli.working import working
    from alignbench.results.folders import check_writable

    options = SamplingOptions(rule, groups_by, seed).checked()
    if count < 1:
        raise UsageError(f"--count {count}: ask for one triplet or more")
    check_writable(output)
    with working("drawing triplets"):
        groups = _groups(rule, clusters, features, labels)
        folder, is_finished = draw_triplets(SamplingJob(groups, count, options, output, overwrite))
    if is_finished:
        print_error(f"these triplets are finished: taken from {folder}")
    record = read_record(folder, SAMPLING)
    if as_json:
        print_json({"folder": str(folder), **record})
        return
    small = said_small(record["too_small"])
    if small:
        print_error(f"warning: {small}")
    of = f"{counted(record['pictures'], 'picture')} in {counted(record['groups'], 'group')}"
    print(f"{counted(count, 'triplet')} of {of}, {rule}")
    print(folder)


def _groups(rule: str, clusters: Path | None, features: Path | None, labels: Path | None) -> PictureGroups:
    """The pictures and their groups, from what the rule needs."""
    from alignbench.alignet.picture_groups import all_pictures, class_groups, cluster_groups, table_groups
    from alignbench.extraction.stored_features import open_features

    if clusters is not None and (features or labels):
        raise UsageError("--clusters cannot go with --features or --labels: leave out one or the other")
    if rule == "cluster-border" and clusters is None:
        raise UsageError("cluster-border draws from clusters: give --clusters, or another --rule")
    if clusters is not None:
        if rule not in ("cluster-border", "random"):
            raise UsageError(f"{rule} draws from classes: give --features or --labels instead of --clusters")
        return cluster_groups(clusters)
    names = open_features(features).names if features is not None else None
    if labels is not None:
        return table_groups(labels, names)
    if names is None:
        raise UsageError(f"{rule} needs pictures: give --features, --labels or, for random, --clusters")
    return all_pictures(names) if rule == "random" else class_groups(names)
