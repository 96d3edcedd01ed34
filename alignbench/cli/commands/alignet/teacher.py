"""`alignbench alignet teacher`: a transform that learns how likely people keep each pair of a triplet."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import models, one_of
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
    LearningRate,
    LearningSeed,
    Limit,
    LoaderWorkers,
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
from alignbench.errors import counted

_INTERVAL: Final = "95 % interval"

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def teacher(
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Model as for `alignbench run`, or features:PATH for a file of features.",
            autocompletion=models,
        ),
    ],
    dataset: Triplets = "things",
    data_root: DataRoot = None,
    subset: TrainingSubset = "",
    targets: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Targets: embedding (of the choices), frequencies (of repeated triplets) or hard (the choices).",
            autocompletion=one_of("embedding", "frequencies", "hard"),
        ),
    ] = "embedding",
    pseudo_count: Annotated[
        float,
        typer.Option(
            metavar="NUMBER", help="Judgments added to those of each pair of a triplet (only for frequencies)."
        ),
    ] = 0.05,
    fewest_judgments: Annotated[
        int, typer.Option(metavar="N", help="Fewest judgments that a triplet needs to be used (only for frequencies).")
    ] = 2,
    dimensions: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Dimensions of the embedding at the start; at the end, those that carry nothing are pruned.",
        ),
    ] = 50,
    draws: Annotated[
        int, typer.Option(metavar="N", help="Draws of the embedding; each probability is the mean over them.")
    ] = 50,
    allow_test_triplets: Annotated[
        bool,
        typer.Option(
            "--allow-test-triplets",
            help="Learn also from triplets that models are tested on; the teacher is then marked.",
        ),
    ] = False,
    layers: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Layers, separated by commas [default: projection, or the only layer of the features].",
        ),
    ] = "",
    tokens: Annotated[
        str,
        typer.Option(
            metavar="VIEW",
            help="Tokens of layers before the projection: cls or mean [default: cls, or those of the features].",
            autocompletion=one_of("cls", "mean"),
        ),
    ] = "",
    folds: Folds = 3,
    lam: Lambda = 0.1,
    learning_rate: LearningRate = 1e-3,
    optimiser: Optimiser = "adam",
    bias: Bias = True,
    epochs: Epochs = 100,
    patience: Patience = 15,
    batch_triplets: BatchTriplets = 256,
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
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write the folder of the teacher to.")
    ] = Path("alignet"),
    against: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of another teacher with the same folds, to compare choices with."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Learn again even if it is finished.")] = False,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn a teacher from the probabilities of human choices.

    The teacher is an affine transform of features. It is judged on people's choices among held-out objects.
    The last line of stdout is its folder.
    """
    import pandas as pd

    from alignbench.alignet.embedding_training import EmbeddingRecipe
    from alignbench.alignet.soft_targets import TeacherTargets
    from alignbench.alignet.teacher import checked_targets, learn_teacher
    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.progress import LearningProgress
    from alignbench.cli.working import working
    from alignbench.measurement.sources import TowerRequest, load_base
    from alignbench.models.feature_names import are_features
    from alignbench.report.figures.readout import draw_ceiling
    from alignbench.results.folders import check_writable
    from alignbench.tracking.tracker import tracker_for
    from alignbench.tracking.transform_run import log_learned
    from alignbench.transforms.learning.folder import Destination, learned_part
    from alignbench.transforms.learning.judged_choices import compared_frame, read_choices, read_judged
    from alignbench.transforms.learning.recipe import Recipe
    from alignbench.transforms.learning.run import LearningConfig

    recipe = Recipe(
        objective="soft",
        lam=lam,
        learning_rate=learning_rate,
        optimiser=optimiser,
        bias=bias,
        triplets=batch_triplets,
        epochs=epochs,
        patience=patience,
        seed=seed,
    ).checked()
    job = LearningConfig(
        dataset=dataset,
        data_root=data_root or default_root(dataset),
        subsets=names_in(subset),
        limit=limit,
        layers=names_in(layers) or ("projection",),
        recipe=recipe,
        folds=folds,
        similarity=similarity,
        trials=trials,
        pixel_cache=pixel_cache or None,
        against=against,
    ).checked()
    embedding = EmbeddingRecipe(dimensions=dimensions, draws=draws)
    asked = TeacherTargets(targets, pseudo_count, fewest_judgments, embedding)
    made = checked_targets(job, asked, allow_test_triplets)
    if against is not None:
        read_choices(against)  # before hours of learning
    tracker = tracker_for(wandb)
    check_writable(output)
    view = tokens or ("all" if are_features(model) else "cls")
    size = parse_batch_size(batch_size)
    request = TowerRequest(model, view, random_init, seed, precision, accelerator, size, loader_workers, job.layers)
    with working(f"loading {model}") as notice:
        base = load_base(request, dataset, notice)
    if not names_in(layers):
        job = replace(job, layers=base.usual_layers())

    def complete(frame: pd.DataFrame, place: Path) -> None:
        draw_ceiling(frame, place)
        if tracker is not None:
            tracker.mark(place)

    with LearningProgress() as listener:
        folder, is_finished = learn_teacher(job, base, made, Destination(output, complete, overwrite), listener)
    if is_finished:
        print_error(f"this teacher is finished: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_learned)
        if tracker.offline:
            print_error(tracker.how_to_upload())
    shown = [read_judged(folder).assign(against="")]
    if against is not None:
        shown += [compared_frame(against, folder).assign(against=str(against))]
    if as_json:
        print_json(pd.concat(shown).assign(folder=str(folder)))
        return
    for frame in shown:
        print_table(judged_table(frame, learned_part(folder)))
    print(folder)


def judged_table(frame: pd.DataFrame, part: str = "") -> Table:
    """How well choices among held-out objects are foretold, before and after.

    Args:
        frame: The rows of `judged.csv`, and `against`: the teacher that stands as before, if one does.
        part: How much of the data set it is, if that is a part.
    """
    from rich.table import Table

    from alignbench.report.panels import SIMULATED
    from alignbench.results.layer_curve import is_simulated

    first, against = frame.iloc[0], str(frame["against"].iloc[0])
    remarks = "; ".join(filter(None, [part, SIMULATED if is_simulated(str(first["dataset"])) else ""]))
    data = f"{first['dataset']} ({remarks})" if remarks else first["dataset"]
    title = f"{first['model']} on {data}: targets {first['targets']}, held-out objects"
    names = ("untransformed", "teacher") if not against else (Path(against).name, "teacher")
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(("layer", "measure", names[0], _INTERVAL, names[1], _INTERVAL, "change", _INTERVAL)):
        table.add_column(name, justify="left" if number < 2 else "right")
    for row in frame.to_dict("records"):
        cells = [str(row["layer"]), str(row["measure"]).replace("_", " ")]
        for name, sign in (("before", ""), ("after", ""), ("difference", "+")):
            cells += [f"{row[name]:{sign}.3f}", f"{row[f'{name}_low']:.3f} .. {row[f'{name}_high']:.3f}"]
        table.add_row(*cells)
    counts = f"{counted(first['n'], 'choice')} among {counted(first['objects'], 'object')}"
    table.caption = f"{counts}; log loss in nats, {math.log(3):.3f} without knowledge"
    return table
