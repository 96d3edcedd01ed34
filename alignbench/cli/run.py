"""`alignbench run` and `alignbench demo`: measure, and write run folders."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.options import complain, default_root, names_in, parse_bytes
from alignbench.errors import AlignbenchError, UsageError

if TYPE_CHECKING:
    from alignbench.cell import Cell
    from alignbench.results import LayerCurve, Run


def run(
    model: Annotated[str, typer.Option(help="A card's name, a Hugging Face id, a local directory, or a baseline.")],
    dataset: Annotated[str, typer.Option(help="One or more data sets, separated by commas.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data set [default: $ALIGNBENCH_DATA/DATASET].")
    ] = None,
    subset: Annotated[str, typer.Option(help="Subsets, separated by commas [default: the paper's].")] = "",
    distance: Annotated[str, typer.Option(help="all, or normalized_euclidean, euclidean, cosine.")] = "all",
    tokens: Annotated[str, typer.Option(help="Token view: all, cls or mean.")] = "all",
    protocol: Annotated[str, typer.Option(help="paper: as the published scripts measure.")] = "paper",
    batch_size: Annotated[int, typer.Option(help="Images a batch.")] = 16,
    precision: Annotated[str, typer.Option(help="fp32, or bf16 for the tower.")] = "fp32",
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    loader_workers: Annotated[
        int | None, typer.Option(help="Processes that read images [default: one fewer than there are cores].")
    ] = None,
    feature_memory: Annotated[str, typer.Option(help="Features kept at the same time.")] = "4GB",
    random_init: Annotated[
        bool, typer.Option("--random-init", help="Random weights, drawn from --seed; cards need no download.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of random weights and bootstrap.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Only the first N judgments of each subset.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Measure again what is finished.")] = False,
) -> int:
    """Measure a model on data sets, layer by layer; the last line of stdout is the run folder."""
    from alignbench.cell import DISTANCES, Cell

    names = names_in(dataset)
    if not names:
        raise UsageError("--dataset is empty: see `alignbench datasets`")
    if data_root is not None and len(names) > 1:
        raise UsageError("--data-root goes with one data set; with several, set ALIGNBENCH_DATA to the folder of them")
    cells = [
        Cell(
            model=model,
            dataset=name,
            data_root=data_root or default_root(name),
            subsets=names_in(subset),
            distances=DISTANCES if distance == "all" else names_in(distance),
            tokens=tokens,
            protocol=protocol,
            batch_size=batch_size,
            precision=precision,
            accelerator=accelerator,
            workers=loader_workers,
            feature_memory=parse_bytes(feature_memory),
            random_init=random_init,
            seed=seed,
            limit=limit,
        ).checked()
        for name in names
    ]
    from alignbench.datasets import DATASETS

    for name in names:
        DATASETS.load(name)
    done = [_run_one(cell, output, overwrite, alone=len(cells) == 1) for cell in cells]
    return 0 if all(done) else 1


def _run_one(cell: Cell, output: Path, overwrite: bool, alone: bool) -> bool:
    """Measure one of the cells; a failure is raised if it is the only one, else said."""
    from alignbench.cli.show import print_table, score_table

    try:
        folder, curve = measure_into(cell, output, overwrite)
    except AlignbenchError as error:
        if alone:
            raise
        complain(f"{cell.dataset}: {error}")
        return False
    print_table(score_table([curve], f"{curve.label} on {cell.dataset}{_observers(cell.dataset)}"))
    print(folder)
    return True


def _observers(dataset: str) -> str:
    from alignbench.datasets import DATASETS

    return " (simulated observers, not human data)" if DATASETS.load(dataset).packaged else ""


def measure_into(cell: Cell, output: Path, overwrite: bool) -> tuple[Path, LayerCurve]:
    """Measure a cell and write its run folder, or take the finished one."""
    from alignbench.cli.show import ConsoleListener
    from alignbench.measurement import measure_cell
    from alignbench.report.figure import draw_curve
    from alignbench.results import check_writable, is_complete, read_curve, write_run

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its advice would bury ours
    check_writable(output)
    found: list[Path] = []

    def finished(name: str) -> bool:
        if not overwrite and is_complete(output / name):
            found.append(output / name)
        return bool(found)

    measured: Run | None = measure_cell(cell, ConsoleListener(), finished)
    if measured is None:
        print(f"{cell.label} on {cell.dataset} is finished: taken from {found[0]}", file=sys.stderr)
        return found[0], read_curve(found[0])
    return write_run(measured, output, draw_curve, overwrite), measured.curve


def demo(output: Annotated[Path, typer.Option(help="Folder of what it writes.")] = Path("demo")) -> None:
    """Alignment curves of the packaged CLIP and its untrained twin at three levels, without any download."""
    from alignbench.cell import Cell
    from alignbench.cli.show import print_table, score_table
    from alignbench.report.figure import curves_figure, save_figure

    curves = []
    for level in ("low", "middle", "high"):
        for model in ("shapes-clip", "random:shapes-clip", "pixels"):
            cell = Cell(model=model, dataset=f"shapes-{level}", batch_size=64).checked()
            curves.append(measure_into(cell, output, overwrite=False)[1])
    distance = "normalized_euclidean"
    figure = curves_figure(curves, [distance])
    for suffix in ("png", "svg"):
        save_figure(figure, output / f"demo.{suffix}")
    print_table(score_table(curves, "The packaged world: simulated observers, not human data"))
    print(f"figure: {output / 'demo.png'}; curves: curve.csv in each folder below")
    print(output)
