"""`alignbench transform learn`: transforms of any layers of a model, from odd-one-out triplets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import one_of
from alignbench.cli.options import (
    Accelerator,
    AsJson,
    BatchSize,
    BatchTriplets,
    Bias,
    DataRoot,
    Epochs,
    Folds,
    Lambda,
    Layers,
    LearningRate,
    LearningSeed,
    Limit,
    LoaderWorkers,
    Model,
    Optimiser,
    Patience,
    PixelCacheFolder,
    Precision,
    RandomInit,
    Similarity,
    TrainingSubset,
    Trials,
    Triplets,
    Wandb,
    default_root,
    names_in,
    parse_batch_size,
    print_error,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def learn(
    model: Model,
    dataset: Triplets = "things",
    data_root: DataRoot = None,
    subset: TrainingSubset = "",
    objective: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Objective: naive, global, or glocal (global with a local term).",
            autocompletion=one_of("naive", "global", "glocal"),
        ),
    ] = "glocal",
    layers: Layers = "projection",
    tokens: Annotated[
        str,
        typer.Option(
            metavar="VIEW",
            help="Tokens of layers before the projection: cls (class token) or mean (of the patch tokens).",
            autocompletion=one_of("cls", "mean"),
        ),
    ] = "cls",
    local_images: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Pictures for the local term of glocal: a folder, subfolders included, or a packaged data set.",
        ),
    ] = None,
    folds: Folds = 3,
    lam: Lambda = 0.1,
    alpha: Annotated[float, typer.Option(metavar="WEIGHT", help="Weight of the local term.")] = 0.1,
    tau: Annotated[float, typer.Option(metavar="NUMBER", help="Temperature of the local term.")] = 1.0,
    penalty: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Penalty: frobenius (norm) or identity (distance from it) [default: that of the objective].",
            autocompletion=one_of("frobenius", "identity"),
        ),
    ] = None,
    learning_rate: LearningRate = 1e-3,
    optimiser: Optimiser = "adam",
    bias: Bias = True,
    epochs: Epochs = 100,
    patience: Patience = 15,
    batch_triplets: BatchTriplets = 256,
    batch_images: Annotated[int, typer.Option(metavar="N", help="Images per step for the local term.")] = 1024,
    raw_local: Annotated[
        bool,
        typer.Option("--raw-local", help="Do not standardise features of the local term, as in the released code."),
    ] = False,
    trials: Trials = 0,
    similarity: Similarity = "cosine",
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    accelerator: Accelerator = "auto",
    loader_workers: LoaderWorkers = None,
    pixel_cache: PixelCacheFolder = "",
    random_init: RandomInit = False,
    seed: LearningSeed = 0,
    limit: Limit = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the folder of transforms to.")] = Path(
        "transforms"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Learn again even if it is finished.")] = False,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn transforms of layers, judged on held-out objects.

    Several layers are learned from one pass over the pictures. If a search was stopped, the same command goes on where
    it was. The last line of stdout is the folder of the transforms.
    """
    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.progress import LearningProgress
    from alignbench.cli.working import working
    from alignbench.measurement.sources import TowerRequest, load_ready_tower
    from alignbench.report.figures.readout import draw_ceiling
    from alignbench.results.folders import check_writable
    from alignbench.transforms.learning.folder import Destination, learned_part, read_ceiling
    from alignbench.transforms.learning.recipe import Recipe
    from alignbench.transforms.learning.run import LearningConfig, learn_transforms

    recipe = Recipe(
        objective=objective,
        lam=lam,
        alpha=alpha,
        tau=tau,
        learning_rate=learning_rate,
        optimiser=optimiser,
        penalty=penalty,
        bias=bias,
        triplets=batch_triplets,
        images=batch_images,
        epochs=epochs,
        patience=patience,
        raw_local=raw_local,
        seed=seed,
    ).checked()
    job = LearningConfig(
        dataset=dataset,
        data_root=data_root or default_root(dataset),
        subsets=names_in(subset),
        limit=limit,
        layers=names_in(layers),
        recipe=recipe,
        folds=folds,
        local_images=local_images,
        similarity=similarity,
        trials=trials,
        pixel_cache=pixel_cache or None,
    ).checked()
    from alignbench.tracking.tracker import tracker_for
    from alignbench.tracking.transform_run import log_learned

    tracker = tracker_for(wandb)
    check_writable(output)
    size = parse_batch_size(batch_size)
    request = TowerRequest(
        model, tokens, random_init, seed, precision, accelerator, size, loader_workers, names_in(layers)
    )
    with working(f"loading {model}") as notice:
        ready = load_ready_tower(request, notice=notice)

    def complete(frame: pd.DataFrame, place: Path) -> None:
        draw_ceiling(frame, place)
        if tracker is not None:
            tracker.mark(place)

    with LearningProgress() as listener:
        folder, is_finished = learn_transforms(job, ready, Destination(output, complete, overwrite), listener)
    if is_finished:
        print_error(f"these transforms are finished: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_learned)
        if tracker.offline:
            print_error(tracker.how_to_upload())
    ceiling = read_ceiling(folder)
    if as_json:
        print_json(ceiling.assign(folder=str(folder)))
        return
    print_table(ceiling_table(ceiling, learned_part(folder)))
    print(folder)


def ceiling_table(frame: pd.DataFrame, part: str = "") -> Table:
    """What a linear readout reaches at each layer, beside zero-shot.

    Args:
        frame: The rows of `ceiling.csv`.
        part: How much of the data set it is, if that is a part.
    """
    from rich.table import Table

    from alignbench.report.panels import SIMULATED
    from alignbench.results.layer_curve import is_simulated

    first = frame.iloc[0]
    remarks = "; ".join(filter(None, [part, SIMULATED if is_simulated(str(first["dataset"])) else ""]))
    data = f"{first['dataset']} ({remarks})" if remarks else first["dataset"]
    title = f"{first['model']} on {data}: {first['objective']}, held-out objects"
    table = Table(title=title, title_justify="left")
    for name in ("layer", "zero-shot", "95 % interval", "aligned", "95 % interval", "gain", "95 % interval", "n"):
        table.add_column(name, justify="left" if name == "layer" else "right")
    for row in frame.to_dict("records"):
        cells = [str(row["layer"])]
        for name, sign in (("before", ""), ("after", ""), ("difference", "+")):
            cells += [f"{row[name]:{sign}.3f}", f"{row[f'{name}_low']:.3f} .. {row[f'{name}_high']:.3f}"]
        table.add_row(*cells, f"{row['n']:,}")
    ceiling = frame["noise_ceiling"].max()
    table.caption = "" if ceiling != ceiling else f"noise ceiling {ceiling:.3f}, chance 0.333"
    return table
