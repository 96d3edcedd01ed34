"""`alignbench interpret decompose`: what each head contributes to a model's output, for a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignbench.cli.completion import one_of
from alignbench.cli.options import (
    Accelerator,
    BatchSize,
    LoaderWorkers,
    Model,
    RandomInit,
    Resize,
    parse_batch_size,
)
from alignbench.errors import counted

StoredLayers = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="Layers whose heads are stored one by one: last4 (the last four), or all.",
        autocompletion=one_of("last4", "all"),
    ),
]
StoredType = Annotated[
    str,
    typer.Option(
        metavar="TYPE",
        help="Type to store numbers in: fp32, fp16 or bf16; they are computed in fp32.",
        autocompletion=one_of("fp32", "fp16", "bf16"),
    ),
]
ClassToken = Annotated[
    bool,
    typer.Option("--class-token", help="Store also what the heads of each layer read from the class token itself."),
]


def decompose(
    model: Model,
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of pictures; subfolders are read too.")],
    layers: StoredLayers = "last4",
    dtype: StoredType = "fp32",
    class_token: ClassToken = False,
    resize: Resize = "checkpoint",
    batch_size: BatchSize = "16",
    accelerator: Accelerator = "auto",
    devices: Annotated[
        int, typer.Option(metavar="N", help="Processes that share the pictures; with cuda, each has its own GPU.")
    ] = 1,
    loader_workers: LoaderWorkers = None,
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of random weights.")] = 0,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write the store of contributions to.")
    ] = Path("heads"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Repeat the stage even if it is finished.")] = False,
) -> None:
    """Decompose a model's output into what each head adds.

    The output for a picture is the sum of contributions of heads, MLPs and the embedding; every sum is checked.
    If the command was stopped, the same command goes on where it was. The last line of stdout is the store: the folder
    of the contributions, which other commands read.
    """
    from alignbench.interpret.store_job import StoreJob

    job = StoreJob(layers, dtype, output, devices, overwrite, class_token).checked()
    from alignbench.datasets.image_folder import image_folder

    pictures = image_folder(images)
    from alignbench.cli.console import print_status
    from alignbench.cli.options import print_error
    from alignbench.cli.progress import ImageProgress
    from alignbench.cli.working import working
    from alignbench.extraction.distributed import follows
    from alignbench.interpret.decomposing import store_contributions
    from alignbench.measurement.sources import TowerRequest, load_ready_tower

    size = parse_batch_size(batch_size)
    request = TowerRequest(model, "all", random_init, seed, "fp32", accelerator, size, loader_workers, ("all",), resize)
    with working(f"loading {model}") as notice:
        ready = load_ready_tower(request, notice=notice)
    follower = devices > 1 and follows()  # the first process speaks
    progress = None if follower else ImageProgress()
    try:
        store, is_finished = store_contributions(job, ready, pictures, progress)
    finally:
        if progress is not None:
            progress.finished()
    if follower:
        return
    if is_finished:
        print_error(f"these contributions are there: taken from {store.folder}")
    kept = f"{len(store.layers)} of {store.shape.blocks} layers x {store.heads} heads x {store.width} numbers"
    largest = float(store.closure.max())
    print_status(
        f"{ready.label}: {counted(len(store.names), 'image')}, {kept}; the sum is the output within {largest:.1e}"
    )
    print(store.folder)
