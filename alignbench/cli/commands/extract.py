"""`alignbench extract`: features of any folder of pictures, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignbench.cli.options import (
    Accelerator,
    BatchSize,
    Layers,
    LoaderWorkers,
    Model,
    Precision,
    RandomInit,
    Resize,
    Tokens,
    check_output,
    names_in,
    parse_batch_size,
)
from alignbench.errors import UsageError
from alignbench.files import ARRAY_FILES


def extract(
    model: Model,
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of pictures; subfolders are read too.")],
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="File to write: .safetensors, .npz, or .npy (one layer only).")
    ],
    layers: Layers = "projection",
    tokens: Tokens = "cls",
    resize: Resize = "checkpoint",
    normalize: Annotated[
        bool,
        typer.Option(
            "--normalize",
            help="Write features as the model's own code gives them: some models divide them by their norm.",
        ),
    ] = False,
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    accelerator: Accelerator = "auto",
    loader_workers: LoaderWorkers = None,
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of random weights.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file if it exists.")] = False,
) -> None:
    """Write the features of a folder of pictures to a file.

    The file has the features of the chosen layers, and the names of the pictures. The last line of stdout is the file.
    If the command was stopped, the same command goes on where it was.
    """
    if output.exists() and not overwrite:
        from alignbench.extraction.feature_files import clear_leftovers

        clear_leftovers(output)
        raise UsageError(f"{output} is there: name another --output, or add --overwrite")
    check_output(output, ARRAY_FILES)
    from alignbench.datasets.image_folder import image_folder

    pictures = image_folder(images)
    from alignbench.cli.console import print_status
    from alignbench.cli.progress import ImageProgress
    from alignbench.cli.working import working
    from alignbench.extraction.feature_extraction import features_into
    from alignbench.measurement.sources import TowerRequest, load_ready_tower
    from alignbench.models.layer_names import counted_layers

    size = parse_batch_size(batch_size)
    request = TowerRequest(
        model, tokens, random_init, seed, precision, accelerator, size, loader_workers, names_in(layers), resize
    )
    with working(f"loading {model}") as notice:
        ready = load_ready_tower(request, "paper" if normalize else "corrected", notice=notice)
    chosen = ready.tower.layers
    progress = ImageProgress()
    print_status(
        f"{ready.label}: {len(pictures.names):,} images, {counted_layers(len(chosen))}, {ready.reading.device}"
    )
    try:
        already = features_into(output, ready, pictures, chosen, progress)
    finally:
        progress.finished()
    if already:
        print_status(f"{already:,} images had been embedded before this was stopped: it went on from there")
    print(output)
