"""`alignbench interpret align`: how close each head of a model is to people."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import data_sets, one_of, transforms
from alignbench.cli.options import (
    Accelerator,
    AsJson,
    BatchSize,
    DataRoot,
    Limit,
    LoaderWorkers,
    Model,
    RandomInit,
    Resize,
    Subset,
    Wandb,
    data_sets_in,
    default_root,
    names_in,
    parse_batch_size,
    print_error,
)
from alignbench.errors import AlignbenchError, LostRankError, UsageError

if TYPE_CHECKING:
    from alignbench.interpret.align_job import AlignJob
    from alignbench.measurement.cell import Cell
    from alignbench.tracking.tracker import Tracker


def align(
    model: Model,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Data sets, separated by commas [default: tid2013, nights and things, as far as they are there].",
            autocompletion=data_sets,
        ),
    ] = "",
    data_root: DataRoot = None,
    subset: Subset = "",
    distance: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Distance between contributions: centred_cosine, cosine or euclidean.",
            autocompletion=one_of("centred_cosine", "cosine", "euclidean"),
        ),
    ] = "centred_cosine",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Protocols, separated by commas: paper, corrected.",
            autocompletion=one_of("paper", "corrected", "paper,corrected"),
        ),
    ] = "paper,corrected",
    dtype: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help="Type to store numbers in: fp32, fp16 or bf16; they are computed in fp32.",
            autocompletion=one_of("fp32", "fp16", "bf16"),
        ),
    ] = "fp32",
    resize: Resize = "checkpoint",
    batch_size: BatchSize = "16",
    accelerator: Accelerator = "auto",
    devices: Annotated[
        int, typer.Option(metavar="N", help="Processes that share the pictures; with cuda, each has its own GPU.")
    ] = 1,
    loader_workers: LoaderWorkers = None,
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of random weights and of all draws.")] = 0,
    limit: Limit = None,
    transform: Annotated[
        str,
        typer.Option(
            metavar="TRANSFORM",
            help="Transform of the projection: a file, one of `transform list`, or published (the model's).",
            autocompletion=transforms,
        ),
    ] = "",
    force_transform: Annotated[
        bool, typer.Option("--force-transform", help="Use the transform even if it was made for another model.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Scores of another model's heads, to compare with head by head."),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            metavar="N", help="Number of permutations of answers, and of random subspaces of each layer; 0 for neither."
        ),
    ] = 999,
    twins: Annotated[
        int, typer.Option(metavar="N", help="Number of models with random weights to compare heads with; 0 for none.")
    ] = 1,
    splits: Annotated[
        int,
        typer.Option(
            metavar="N", help="Random splits of the judgments into halves, to score sums of heads; 0 for no sums."
        ),
    ] = 20,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write the store of contributions and the scores to.")
    ] = Path("heads"),
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> int:
    """Score how well each head of a model agrees with people.

    Every head, every MLP and the embedding is scored alone, and so is the model without it. The last lines of stdout
    are the folders of the scores, one for each data set, except with --json.
    """
    from alignbench.datasets import DATASETS
    from alignbench.interpret.align_job import AlignJob, Nulls
    from alignbench.measurement.cell import Cell

    names = data_sets_in(dataset, data_root) if dataset else _default_sets(data_root)
    for name in names:
        DATASETS.load(name)
    cells = [
        Cell(
            model,
            name,
            data_root or default_root(name),
            names_in(subset),
            resize=resize,
            batch_size=parse_batch_size(batch_size),
            accelerator=accelerator,
            workers=loader_workers,
            random_init=random_init,
            seed=seed,
            limit=limit,
            transform=transform or None,
            force_transform=force_transform,
        )
        for name in names
    ]
    jobs = [
        AlignJob(
            cell,
            names_in(protocol),
            distance,
            dtype,
            devices,
            output,
            Nulls(draws, 0 if is_random(cell) else twins, splits),
        ).checked()
        for cell in cells
    ]
    if against is not None:
        _check_against(against, len(jobs))
    if devices > 1:
        if _share(jobs):
            return 0
        jobs = [replace(job, devices=1) for job in jobs]  # nothing is left to share
    from alignbench.cli.head_tables import described, print_best_heads

    tracker = _tracker(wandb, len(jobs))
    found = [folder for job in jobs if (folder := _align_one(job, len(jobs) == 1, tracker)) is not None]
    if tracker is not None and tracker.offline:
        print_error(tracker.how_to_upload())
    compared = None if against is None else _compare(jobs[0], found[0], against)
    if as_json:
        described(found, compared)
    else:
        print_best_heads(found, compared)
    return 0 if len(found) == len(jobs) else 1


def _check_against(folder: Path, jobs: int) -> None:
    """Refuse what nothing could be compared with, before anything is measured."""
    from alignbench.results.head_alignment import read_head_alignment

    if jobs > 1:
        raise UsageError(f"--against goes with one data set, not {jobs}: name that of {folder} with --dataset")
    read_head_alignment(folder)


def _compare(job: AlignJob, folder: Path, against: Path) -> Path:
    """Compare the heads with those of another folder."""
    from alignbench.interpret.aligning import judgments_of
    from alignbench.interpret.head_differences import compare_heads

    compared, _ = compare_heads(folder, against, judgments_of(job), job.cell.seed)
    return compared


def is_random(cell: Cell) -> bool:
    """Whether a model has weights at random, and so no twins.

    Args:
        cell: The model on a data set.
    """
    from alignbench.models.families import RANDOM_PREFIX

    return cell.random_init or cell.model.startswith(RANDOM_PREFIX)


def _default_sets(data_root: Path | None) -> tuple[str, ...]:
    """Those of the default data sets that are there."""
    from alignbench.datasets import DATASETS
    from alignbench.interpret.align_job import DEFAULT_SETS

    if data_root is not None:
        raise UsageError("--data-root is the folder of one data set: name it with --dataset")
    there = tuple(name for name in DEFAULT_SETS if DATASETS.load(name).is_there(default_root(name)))
    if not there:
        raise UsageError(
            f"none of {', '.join(DEFAULT_SETS)} is there: name data sets with --dataset, or set ALIGNBENCH_DATA to the "
            "folder of these"
        )
    return there


def _tracker(mode: str, jobs: int) -> Tracker | None:
    """Make what logs the folders to Weights & Biases; none if they are not logged."""
    from alignbench.tracking.modes import under_agent
    from alignbench.tracking.tracker import tracker_for

    tracker = tracker_for(mode)
    if tracker is not None and under_agent() and jobs > 1:
        raise UsageError(
            f"WANDB_RUN_ID names one W&B run, and this command makes {jobs}: unset it, or ask for one at a time"
        )
    return tracker


def _share(jobs: list[AlignJob]) -> bool:
    """Decompose all pictures with several processes; whether this is one of those that are done then.

    An error is left to the one that scores, which meets it again.
    """
    from alignbench.cli.console import print_status
    from alignbench.cli.progress import ImageProgress
    from alignbench.extraction.distributed import follows
    from alignbench.interpret.aligning import Surroundings, decompose_all

    follower = follows()
    if follower:
        warnings.simplefilter("ignore")  # the first process speaks
    for job in jobs:
        progress = None if follower else ImageProgress()
        around = Surroundings() if progress is None else Surroundings(progress, print_status)
        try:
            decompose_all(job, around)
        except LostRankError:
            raise
        except AlignbenchError:
            continue
        finally:
            if progress is not None:
                progress.finished()
    return follower


def _align_one(job: AlignJob, alone: bool, tracker: Tracker | None) -> Path | None:
    """Score heads on one data set, and return the folder; none after a failure.

    A failure is raised if it is the only data set; otherwise it is printed, and the others follow.
    """
    from alignbench.cli.console import print_status
    from alignbench.cli.progress import ImageProgress
    from alignbench.interpret.aligning import Surroundings, align
    from alignbench.tracking.heads_run import log_heads

    progress = ImageProgress()
    mark = (lambda folder: None) if tracker is None else tracker.mark
    try:
        folder, is_finished = align(job, Surroundings(progress, print_status, mark))
    except AlignbenchError as error:
        if alone or isinstance(error, LostRankError):
            raise
        print_error(f"{job.cell.name} on {job.cell.dataset}: {error}")
        return None
    finally:
        progress.finished()
    if is_finished:
        print_error(f"these heads were scored before: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_heads)
    return folder
