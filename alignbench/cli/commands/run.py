"""`alignbench run`: measure, and write run folders."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import distances, models_and_baselines
from alignbench.cli.options import (
    Accelerator,
    AsJson,
    BatchSize,
    DataRoot,
    DataSets,
    FeatureMemory,
    Layers,
    Limit,
    LoaderWorkers,
    MeasuredTransform,
    PixelCacheFolder,
    PixelCacheSize,
    Precision,
    Protocol,
    RandomInit,
    Resize,
    Subset,
    Tokens,
    Wandb,
    data_sets_in,
    default_root,
    names_in,
    parse_batch_size,
    parse_bytes,
    print_error,
)
from alignbench.errors import AlignbenchError, LostRankError, UsageError

_MOST_TWINS = 10_000  # weeks of work: more is a slip

if TYPE_CHECKING:
    from alignbench.measurement.cell import Cell
    from alignbench.results.layer_curve import LayerCurve
    from alignbench.tracking.tracker import Tracker


def run(
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL[,MODEL]",
            help="Models, separated by commas: names of `alignbench models`, Hugging Face ids, folders, features:PATH.",
            autocompletion=models_and_baselines,
        ),
    ],
    dataset: DataSets,
    data_root: DataRoot = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL[,LABEL]",
            help="Name in tables and figures; for several models one for each, separated by commas.",
        ),
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Property to group and compare runs by, such as step=1000; may be given several times.",
        ),
    ] = None,
    subset: Subset = "",
    distance: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Distances, separated by commas: normalized_euclidean, euclidean, cosine, or all.",
            autocompletion=distances,
        ),
    ] = "all",
    tokens: Tokens = "all",
    layers: Layers = "all",
    protocol: Protocol = "paper",
    resize: Resize = "checkpoint",
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    check_precision: Annotated[
        int,
        typer.Option(help="Check bf16 or fp16 on N pairs: print the largest change of a score from fp32; 0: no check."),
    ] = 0,
    accelerator: Accelerator = "auto",
    devices: Annotated[
        int, typer.Option(help="Processes per machine that share the work; with cuda, each has its own GPU.")
    ] = 1,
    num_nodes: Annotated[
        int,
        typer.Option(help="Machines that share the work; for more than 1, start the command with torchrun or srun."),
    ] = 1,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the model with torch.compile.")] = False,
    loader_workers: LoaderWorkers = None,
    feature_memory: FeatureMemory = "4GB",
    pixel_cache: PixelCacheFolder = "",
    pixel_cache_size: PixelCacheSize = "20GB",
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(help="Seed of random weights and of the bootstrap.")] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            help="Untrained models to measure with --random-init: one for each seed, from --seed on.", max=_MOST_TWINS
        ),
    ] = 1,
    limit: Limit = None,
    transform: MeasuredTransform = "",
    force_transform: Annotated[
        bool, typer.Option("--force-transform", help="Use the transform even if it was made for another model.")
    ] = False,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write run folders to.")] = Path("runs"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Measure again even if the run is finished.")] = False,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> int:
    """Measure models on data sets, layer by layer.

    A finished run is taken from its folder and not measured again.
    The last line of stdout is the run folder, except with --json.
    """
    from alignbench.distances.names import DISTANCES
    from alignbench.measurement.cell import Cell
    from alignbench.models.families import RANDOM_PREFIX
    from alignbench.models.own_cards import pair_labels, parse_factors

    names, models = data_sets_in(dataset, data_root), pair_labels(model, label or "")
    factors = parse_factors(factor or ())
    if seeds < 1:
        raise UsageError(f"--seeds {seeds} is below 1: give 1 or more")
    if seeds > 1 and not (random_init or all(each.startswith(RANDOM_PREFIX) for each in models)):
        raise UsageError("--seeds is for untrained models: add --random-init, or name them random:NAME")
    cells = [
        Cell(
            model=each,
            dataset=name,
            data_root=data_root or default_root(name),
            subsets=names_in(subset),
            distances=DISTANCES if distance == "all" else names_in(distance),
            tokens=tokens,
            layers=names_in(layers),
            protocol=protocol,
            resize=resize,
            batch_size=parse_batch_size(batch_size),
            precision=precision,
            check_precision=check_precision,
            accelerator=accelerator,
            devices=devices,
            nodes=num_nodes,
            compiled=compiled,
            workers=loader_workers,
            feature_memory=parse_bytes(feature_memory),
            pixel_cache=pixel_cache or None,
            pixel_cache_size=parse_bytes(pixel_cache_size),
            random_init=random_init,
            seed=twin,
            limit=limit,
            transform=transform or None,
            force_transform=force_transform,
            label=called,
            factors=factors,
        ).checked()
        for each, called in models.items()
        for name in names
        for twin in range(seed, seed + seeds)
    ]
    from alignbench.datasets import DATASETS

    _check_apart(cells)
    for name in names:
        DATASETS.load(name)
    if devices * num_nodes > 1:
        from alignbench.extraction.distributed import follows

        if follows():
            return _follow(cells)
    tracker = _tracker(wandb, cells, devices * num_nodes)
    finished = []
    try:
        for cell in cells:
            measured = _run_one(cell, output, overwrite, tracker, alone=len(cells) == 1)
            if measured is None:
                continue
            finished.append(measured)
            if seeds == 1 and not as_json:
                _show([measured[1]], [measured[0]], twins=False)
        for twins in _of_each_model(finished) if seeds > 1 and not as_json else ():
            _show([curve for _, curve in twins], [folder for folder, _ in twins], twins=True)
        if as_json:
            _print_rows(finished)
    finally:
        if tracker is not None and tracker.offline:
            print_error(tracker.how_to_upload())
    return 0 if len(finished) == len(cells) else 1


def _check_apart(cells: list[Cell]) -> None:
    """Refuse models of one name, whose runs nobody could tell apart."""
    called: dict[str, str] = {}
    for cell in cells:
        if called.setdefault(cell.name, cell.model) != cell.model:
            raise UsageError(
                f"{called[cell.name]} and {cell.model} are both called {cell.name}: tell them apart by --label"
            )


def _of_each_model(finished: list[tuple[Path, LayerCurve]]) -> Iterable[list[tuple[Path, LayerCurve]]]:
    """The untrained twins of each model on each data set."""
    found: dict[tuple[str, str], list[tuple[Path, LayerCurve]]] = {}
    for folder, curve in finished:
        found.setdefault((curve.model.rpartition("@")[0], curve.dataset), []).append((folder, curve))
    return found.values()


def _follow(cells: list[Cell]) -> int:
    """Share the work of the leading process, which speaks and writes; an error of this one is told there."""
    from alignbench.measurement.pipeline import measure_cell
    from alignbench.measurement.sources import source_kind

    warnings.simplefilter("ignore")
    for cell in cells:
        if source_kind(cell).processes(cell) == (1, 1):
            continue  # the leading process does it alone
        try:
            measure_cell(cell)
        except LostRankError:
            return 1
        except AlignbenchError:
            continue
    return 0


def _tracker(mode: str, cells: list[Cell], processes: int) -> Tracker | None:
    """Make what logs the runs to Weights & Biases; none if they are not logged."""
    from alignbench.tracking.modes import under_agent
    from alignbench.tracking.tracker import tracker_for

    tracker = tracker_for(mode, processes)
    if tracker is not None and under_agent() and len(cells) > 1:
        raise UsageError(
            f"WANDB_RUN_ID names one W&B run, and this command makes {len(cells)}: unset it, or ask for one at a time"
        )
    return tracker


def _run_one(
    cell: Cell, output: Path, overwrite: bool, tracker: Tracker | None, alone: bool
) -> tuple[Path, LayerCurve] | None:
    """Measure one of the cells, and return its folder and curve.

    A failure is raised if it is the only cell; otherwise it is printed, and the others follow.
    """
    from alignbench.cli.progress import ConsoleListener
    from alignbench.measurement.run import run_cell

    try:
        run = run_cell(cell, output, overwrite=overwrite, listener=ConsoleListener(), tracker=tracker)
        return run.folder, run.curve
    except AlignbenchError as error:
        if alone or isinstance(error, LostRankError):
            raise
        print_error(f"{cell.name} on {cell.dataset}: {error}")
        return None


def _print_rows(finished: list[tuple[Path, LayerCurve]]) -> None:
    """Print as JSON, for each run, subset and distance, the best layer, the projection, and the run folder."""
    from alignbench.cli.console import print_json
    from alignbench.report.tables.curve_rows import curve_rows

    print_json(
        [
            {"label": curve.label, "dataset": curve.dataset, "protocol": curve.protocol, **row, "folder": folder}
            for folder, curve in finished
            for row in curve_rows(curve)
        ]
    )


def _show(curves: list[LayerCurve], folders: list[Path], twins: bool) -> None:
    """Print scores on one data set, and the run folders below."""
    from alignbench.cli.console import print_table, score_table, twin_table
    from alignbench.report.panels import SIMULATED
    from alignbench.results.extent import measured_on

    if not curves:
        return
    title = measured_on(curves[0]) + (f" ({SIMULATED})" if curves[0].is_simulated else "")
    print_table(twin_table(curves, title) if twins else score_table(curves, f"{curves[0].label} on {title}"))
    for folder in folders:
        print(folder)
