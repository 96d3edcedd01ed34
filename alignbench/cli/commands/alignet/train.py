"""`alignbench alignet train`: a student, from a teacher's labelled triplets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.cli.completion import one_of
from alignbench.cli.options import (
    Accelerator,
    AsJson,
    BatchTriplets,
    LearningRate,
    LoaderWorkers,
    Model,
    PixelCacheFolder,
    PixelCacheSize,
    RandomInit,
    Wandb,
    parse_bytes,
    print_error,
)
from alignbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def train(
    model: Model,
    triplets: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER|FILE.npz", help="Labelled triplets: a folder of `alignet label`, or a published file."
        ),
    ],
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the pictures of the triplets.")],
    objective: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Loss: kl, jsd or contrastive.", autocompletion=one_of("kl", "jsd", "contrastive")
        ),
    ] = "jsd",
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="Divisor of the student's similarities in the loss [default: 100 x width / 1,024]."
        ),
    ] = None,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Divide embeddings by their norms in the loss.")
    ] = False,
    width: Annotated[int, typer.Option(metavar="N", help="Width of the new linear head.")] = 1024,
    head_only: Annotated[
        bool, typer.Option("--head-only", help="Train only the new head, not the model below it.")
    ] = False,
    steps: Annotated[int, typer.Option(metavar="N", help="Number of training steps.")] = 100_000,
    batch_triplets: BatchTriplets = 512,
    learning_rate: LearningRate = 3e-5,
    warmup: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Steps until the learning rate reaches its highest value [default: a twentieth of all]."
        ),
    ] = None,
    decay: Annotated[
        float,
        typer.Option(metavar="WEIGHT", help="Weight of the decay of all weights towards their values at the start."),
    ] = 1.0,
    ema: Annotated[
        float | None,
        typer.Option(
            metavar="DECAY",
            help="Save a running average of the weights with this decay, not the last weights [default: off].",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="TYPE", help="Precision of the model: fp32 or bf16.", autocompletion=one_of("fp32", "bf16")
        ),
    ] = "fp32",
    accumulate: Annotated[
        int, typer.Option(metavar="N", help="Split each step into N parts, one after another, to save memory.")
    ] = 1,
    checkpoint_every: Annotated[int, typer.Option(metavar="N", help="Steps between checkpoints.")] = 1000,
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|FILE.npz",
            help="Held-out labelled triplets of the same pictures, to judge the student on while it trains.",
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Steps between judgments on --validation [default: that of --checkpoint-every]."
        ),
    ] = None,
    log_every: Annotated[int, typer.Option(metavar="N", help="Steps averaged in each row of the log.")] = 50,
    accelerator: Accelerator = "auto",
    devices: Annotated[
        int,
        typer.Option(metavar="N", help="Processes per machine that share each step; with cuda, each has its own GPU."),
    ] = 1,
    num_nodes: Annotated[
        int,
        typer.Option(
            metavar="N", help="Machines that share each step; for more than 1, start the command with torchrun or srun."
        ),
    ] = 1,
    loader_workers: LoaderWorkers = None,
    pixel_cache: PixelCacheFolder = "",
    pixel_cache_size: PixelCacheSize = "20GB",
    random_init: RandomInit = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the new head, of the order of triplets and of random weights.")
    ] = 0,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write the folder of the student to.")
    ] = Path("alignet"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train again even if the student is finished.")
    ] = False,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a student on a teacher's triplets.

    The defaults are those of the published training. If the command was stopped, the same command goes on where it was.
    The last line of stdout is the student's folder, which is a model: `alignbench run --model FOLDER` measures it.
    """
    from alignbench.alignet.training.recipe import Course, StudentRecipe

    recipe = StudentRecipe(
        objective=objective,
        temperature=temperature,
        normalize=normalize,
        width=width,
        head_only=head_only,
        learning_rate=learning_rate,
        warmup=warmup,
        steps=steps,
        batch=batch_triplets,
        decay=decay,
        ema=ema,
        precision=precision,
        seed=seed,
    ).checked()
    if validation is None and validate_every is not None:
        raise UsageError("--validate-every goes with --validation: name held-out triplets")
    course = Course(accumulate, checkpoint_every, log_every, loader_workers, devices, num_nodes, validate_every)
    course.checked(recipe.batch)
    size = parse_bytes(pixel_cache_size)
    from alignbench.results.folders import check_writable
    from alignbench.tracking.tracker import tracker_for

    tracker = tracker_for(wandb, devices * num_nodes)
    check_writable(output)
    from alignbench.alignet.training.folder import read_log, read_student
    from alignbench.alignet.training.run import StudentJob, train_student
    from alignbench.alignet.training.tracked import log_student
    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.training_progress import TrainingProgress
    from alignbench.cli.working import working
    from alignbench.extraction.distributed import follows
    from alignbench.measurement.sources import TowerRequest, load_ready_tower
    from alignbench.transforms.learning.folder import Destination

    job = StudentJob(model, triplets, images, recipe, course, random_init, pixel_cache or None, size, validation)
    request = TowerRequest(model, "cls", random_init, seed, accelerator=accelerator, layers=("projection",))
    with working(f"loading {model}") as notice:
        ready = load_ready_tower(request, notice=notice)

    def complete(frame: pd.DataFrame, place: Path) -> None:
        if tracker is not None:
            tracker.mark(place)

    follower = devices * num_nodes > 1 and follows()  # the first process speaks
    with TrainingProgress() as listener:
        destination = Destination(output, complete, overwrite)
        folder, is_finished = train_student(job, ready, destination, None if follower else listener)
    if follower:
        return
    if is_finished:
        print_error(f"this student is finished: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_student)
        if tracker.offline:
            print_error(tracker.how_to_upload())
    record, log = read_student(folder), read_log(folder)
    if as_json:
        print_json({**record, "log": log.to_dict("records"), "folder": str(folder)})
        return
    print_table(training_table(record, log))
    print(folder)


def training_table(record: Mapping[str, Any], log: pd.DataFrame) -> Table:
    """Loss and agreement with the teacher at some rows of the log.

    Args:
        record: What `student.json` says.
        log: The rows of `training.csv`.
    """
    import numpy as np
    from rich.table import Table

    from alignbench.alignet.training.validation import COLUMNS as VALIDATION

    table = Table(title=f"student of {record['label']}: means of the steps up to each", title_justify="left")
    shapes = {"step": ",.0f", "loss": ".5g", "teacher_agreement": ".3f", "learning_rate": ".2e"}
    titles = {"teacher_agreement": "agreement with the teacher", "learning_rate": "learning rate"}
    if VALIDATION[0] in log:
        shapes |= dict(zip(VALIDATION, (".5g", ".3f"), strict=True))
        titles |= dict(zip(VALIDATION, ("held-out loss", "held-out agreement"), strict=True))
        log = log.dropna(subset=list(VALIDATION))
    for name in shapes:
        table.add_column(titles.get(name, name), justify="right")
    for row in log.iloc[np.unique(np.linspace(0, len(log) - 1, 8).astype(int))].to_dict("records"):
        table.add_row(*(format(row[name], shape) for name, shape in shapes.items()))
    table.caption = f"the teacher's choices, not people's; {record['pictures_per_second']:.0f} images/s"
    return table
