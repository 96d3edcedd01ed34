"""`alignbench transform learn`: transforms of any layers of a model, from odd-one-out triplets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.options import (
    Accelerator,
    BatchSize,
    Limit,
    LoaderWorkers,
    PixelCacheFolder,
    Precision,
    RandomInit,
    default_root,
    names_in,
    parse_batch_size,
    print_error,
)

_LAST_SEED = 2**31 - 1  # scikit-learn and Optuna take 32 bits, and trials of a search count on from it

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def learn(
    model: Annotated[str, typer.Option(help="A card's name, a Hugging Face id, or a local directory.")],
    dataset: Annotated[str, typer.Option(help="Data set of odd-one-out triplets.")] = "things",
    data_root: Annotated[Path | None, typer.Option(help="Its folder [default: $ALIGNBENCH_DATA/DATASET].")] = None,
    subset: Annotated[str, typer.Option(help="Whose triplets, separated by commas [default: trainset].")] = "",
    objective: Annotated[str, typer.Option(help="naive, global or glocal.")] = "glocal",
    layers: Annotated[str, typer.Option(help="Layers, separated by commas, or all.")] = "projection",
    tokens: Annotated[str, typer.Option(help="Token view of layers before the projection: cls or mean.")] = "cls",
    local_images: Annotated[
        str | None, typer.Option(help="For glocal: a folder of pictures, at any depth, or a packaged data set.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Folds of objects.")] = 3,
    lam: Annotated[float, typer.Option("--lambda", help="Weight of the penalty.")] = 0.1,
    alpha: Annotated[float, typer.Option(help="Weight of the local term.")] = 0.1,
    tau: Annotated[float, typer.Option(help="Temperature of the local term.")] = 1.0,
    penalty: Annotated[str | None, typer.Option(help="frobenius or identity [default: the objective's].")] = None,
    learning_rate: Annotated[float, typer.Option(help="Of the optimiser.")] = 1e-3,
    optimiser: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
    bias: Annotated[bool, typer.Option("--bias/--no-bias", help="Whether the transform has a bias.")] = True,
    epochs: Annotated[int, typer.Option(help="At most.")] = 100,
    patience: Annotated[int, typer.Option(help="Epochs without a lower held-out loss before it stops.")] = 15,
    batch_triplets: Annotated[int, typer.Option(help="Triplets a step.")] = 256,
    batch_images: Annotated[int, typer.Option(help="Images of the local term a step.")] = 1024,
    raw_local: Annotated[
        bool, typer.Option("--raw-local", help="As the released code: features of the local term not standardised.")
    ] = False,
    trials: Annotated[int, typer.Option(help="Search hyper-parameters at each layer in so many trials.")] = 0,
    similarity: Annotated[str, typer.Option(help="Of the choices: cosine, euclidean or dot.")] = "cosine",
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    accelerator: Accelerator = "auto",
    loader_workers: LoaderWorkers = None,
    pixel_cache: PixelCacheFolder = "",
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(help="Of folds, batches and random weights.", min=0, max=_LAST_SEED)] = 0,
    limit: Limit = None,
    output: Annotated[Path, typer.Option(help="Folder of folders of transforms.")] = Path("transforms"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Learn again what is finished.")] = False,
    wandb: Annotated[str, typer.Option(help="Log to Weights & Biases: online, offline, off, or auto.")] = "auto",
) -> None:
    """Learn transforms of layers, judged on held-out objects.

    The last line of stdout is their folder.
    Several layers come from one pass over the pictures. A search that was stopped goes on where it was.
    """
    from alignbench.cli.console import print_status, print_table
    from alignbench.cli.progress import LearningProgress
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
    request = TowerRequest(model, tokens, random_init, seed, precision, accelerator, size, loader_workers)
    ready = load_ready_tower(request, notice=print_status)

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
    print_table(ceiling_table(read_ceiling(folder), learned_part(folder)))
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
