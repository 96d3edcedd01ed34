"""`alignbench run`: measure, and write run folders."""

from __future__ import annotations

import warnings
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
    model: Annotated[str, typer.Option(help="A card's name, a Hugging Face id, a local directory, or a baseline.")],
    dataset: Annotated[str, typer.Option(help="One or more data sets, separated by commas.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data set [default: $ALIGNBENCH_DATA/DATASET].")
    ] = None,
    subset: Annotated[str, typer.Option(help="Subsets, separated by commas [default: the paper's].")] = "",
    distance: Annotated[str, typer.Option(help="all, or normalized_euclidean, euclidean, cosine.")] = "all",
    tokens: Annotated[str, typer.Option(help="Token view: all, cls or mean.")] = "all",
    protocol: Annotated[
        str, typer.Option(help="paper: as the published scripts measure; corrected: held-out means, shared ties.")
    ] = "paper",
    resize: Annotated[
        str, typer.Option(help="checkpoint: as its processor does; squash: the whole picture to the tower's square.")
    ] = "checkpoint",
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    check_precision: Annotated[
        int, typer.Option(help="With bf16 or fp16: take scores on this many pairs in fp32 too, and tell what changes.")
    ] = 0,
    accelerator: Accelerator = "auto",
    devices: Annotated[int, typer.Option(help="Processes a machine that share a tower's work, each with its GPU.")] = 1,
    num_nodes: Annotated[int, typer.Option(help="Machines that share it: start it with torchrun or srun.")] = 1,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the tower (torch.compile).")] = False,
    loader_workers: LoaderWorkers = None,
    feature_memory: Annotated[str, typer.Option(help="Features kept at the same time.")] = "4GB",
    pixel_cache: PixelCacheFolder = "",
    pixel_cache_size: Annotated[str, typer.Option(help="What it may take.")] = "20GB",
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(help="Of random weights and bootstrap.")] = 0,
    seeds: Annotated[
        int, typer.Option(help="With --random-init: this many untrained twins, from --seed on.", max=_MOST_TWINS)
    ] = 1,
    limit: Limit = None,
    transform: Annotated[
        str, typer.Option(help="Measure a layer after it too: a file, or a name of `alignbench transform list`.")
    ] = "",
    force_transform: Annotated[
        bool, typer.Option("--force-transform", help="Even if it was made for another model.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Measure again what is finished.")] = False,
    wandb: Annotated[
        str,
        typer.Option(help="Log to Weights & Biases: online, offline, off, or auto, which asks nothing."),
    ] = "auto",
) -> int:
    """Measure a model on data sets, layer by layer.

    The last line of stdout is the run folder.
    """
    from alignbench.distances.names import DISTANCES
    from alignbench.measurement.cell import Cell
    from alignbench.models.families import RANDOM_PREFIX

    names = data_sets_in(dataset, data_root)
    if seeds < 1:
        raise UsageError(f"--seeds {seeds} is below 1")
    if seeds > 1 and not (random_init or model.startswith(RANDOM_PREFIX)):
        raise UsageError("--seeds draws untrained twins: it goes with --random-init (or the model random:NAME)")
    cells = [
        Cell(
            model=model,
            dataset=name,
            data_root=data_root or default_root(name),
            subsets=names_in(subset),
            distances=DISTANCES if distance == "all" else names_in(distance),
            tokens=tokens,
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
        ).checked()
        for name in names
        for twin in range(seed, seed + seeds)
    ]
    from alignbench.datasets import DATASETS

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
            if seeds == 1:
                _show([measured[1]], [measured[0]], twins=False)
        for name in names if seeds > 1 else ():
            twins = [(folder, curve) for folder, curve in finished if curve.dataset == name]
            _show([curve for _, curve in twins], [folder for folder, _ in twins], twins=True)
    finally:
        if tracker is not None and tracker.offline:
            print_error(tracker.how_to_upload())
    return 0 if len(finished) == len(cells) else 1


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
        raise UsageError(f"WANDB_RUN_ID names one W&B run, and this command makes {len(cells)}: ask for one at a time")
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
        print_error(f"{cell.label} on {cell.dataset}: {error}")
        return None


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
