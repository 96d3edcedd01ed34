"""`alignbench demo`: measures the packaged world, or with `--transform` aligns a model with its observers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from alignbench.extraction.features import ReadyTower
    from alignbench.results.layer_curve import LayerCurve

_MODEL: Final = "shapes-clip"
_LEVEL: Final = "shapes-high"
_NEW: Final = "trainset"  # the subset whose concepts no transform of the demo has seen
_BATCH: Final = 64
_DISTANCE: Final = "normalized_euclidean"  # that of the figures


def demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write everything to.")] = Path("demo"),
    transform: Annotated[
        bool, typer.Option("--transform", help="Learn, apply and judge transforms instead, and write a report on them.")
    ] = False,
) -> None:
    """Measure a packaged CLIP at three levels, without a download.

    For comparison, the same network with random weights and plain pixels are measured too.
    """
    if transform:
        _transforms(output)
    else:
        _curves(output)
    print(output)


def _curves(output: Path) -> None:
    """Measure three models at three levels, show the curves of each level as soon as they are there, and draw all."""
    from alignbench.cli.console import print_plot, print_status, print_table, score_table
    from alignbench.cli.progress import ConsoleListener
    from alignbench.datasets.judgments import LEVELS

    print_status(f"{_MODEL}, the same network with random weights, and pixels, on {len(LEVELS)} packaged data sets")
    from alignbench.measurement.cell import Cell
    from alignbench.measurement.run import run_cell
    from alignbench.report.figures.canvas import save_figure
    from alignbench.report.figures.curves import curves_figure
    from alignbench.report.panels import SIMULATED

    curves: list[LayerCurve] = []
    for level in LEVELS:
        models = (_MODEL, f"random:{_MODEL}", "pixels")
        cells = [Cell(model=model, dataset=f"shapes-{level}", batch_size=_BATCH).checked() for model in models]
        curves += [run_cell(cell, output, listener=ConsoleListener()).curve for cell in cells]
        print_plot(curves[-len(cells) :], [_DISTANCE])
    figure = curves_figure(curves, [_DISTANCE])
    for suffix in ("png", "svg"):
        save_figure(figure, output / f"demo.{suffix}")
    print_table(score_table(curves, f"The packaged world: {SIMULATED}"))
    print(f"figure: {output / 'demo.png'}; curves: curve.csv in each folder below")


def _transforms(output: Path) -> None:
    """Learn at every layer, align the projection, judge that, measure it beside the plain one, and report on it all."""
    from alignbench.cli.commands.evaluate import evaluation_table
    from alignbench.cli.commands.learn import ceiling_table
    from alignbench.cli.commands.report import report
    from alignbench.cli.console import print_table, score_table
    from alignbench.cli.progress import ConsoleListener
    from alignbench.cli.working import working
    from alignbench.measurement.cell import Cell
    from alignbench.measurement.run import run_cell
    from alignbench.measurement.sources import TowerRequest, load_ready_tower
    from alignbench.report.panels import SIMULATED
    from alignbench.results.folders import check_writable
    from alignbench.transforms.evaluation.folder import read_evaluation
    from alignbench.transforms.learning.folder import read_ceiling

    check_writable(output)
    with working(f"loading {_MODEL}"):
        ready = load_ready_tower(TowerRequest(_MODEL, "cls", batch_size=_BATCH))
    ceiling = _learn(ready, output, "global", ("all",))
    aligned = _learn(ready, output, "glocal", ("projection",)) / "projection.safetensors"
    judged = _judge(ready, output, aligned)
    cell = Cell(model=_MODEL, dataset=_LEVEL, subsets=(_NEW,), batch_size=_BATCH, transform=aligned).checked()
    curve = run_cell(cell, output, listener=ConsoleListener()).curve
    print_table(ceiling_table(read_ceiling(ceiling)))
    print_table(
        evaluation_table(read_evaluation(judged)[0], f"{_MODEL}, gLocal, concepts it has not seen ({SIMULATED})")
    )
    print_table(score_table([curve], f"{curve.label} on {_LEVEL}, {_NEW} ({SIMULATED})"))
    report([output], output / "transforms.html")


def _learn(ready: ReadyTower, output: Path, objective: str, layers: tuple[str, ...]) -> Path:
    """Learn transforms in a few seconds a layer, and return their folder.

    Batches of triplets and steps are larger than the authors', so that few epochs are enough on so few data.
    """
    from alignbench.cli.progress import LearningProgress
    from alignbench.report.figures.readout import draw_ceiling
    from alignbench.transforms.learning.folder import Destination
    from alignbench.transforms.learning.recipe import Recipe
    from alignbench.transforms.learning.run import LearningConfig, learn_transforms

    recipe = Recipe(objective, triplets=1024, images=256, learning_rate=5e-3, epochs=40, fewest_epochs=10, patience=8)
    job = LearningConfig(_LEVEL, subsets=("test",), layers=layers, recipe=recipe)
    with LearningProgress() as listener:
        return learn_transforms(job, ready, Destination(output, draw_ceiling), listener)[0]


def _judge(ready: ReadyTower, output: Path, transform: Path) -> Path:
    """Judge a transform on concepts, pictures and classes that it has not seen, and return the folder of that."""
    from alignbench.cli.progress import LearningProgress
    from alignbench.datasets import DATASETS
    from alignbench.datasets.shapes import labelled_scenes
    from alignbench.report.figures.similarity import draw_similarities
    from alignbench.transforms.aligned_layer import Use, transformed_layer
    from alignbench.transforms.evaluation.run import Candidate, Evidence, Labelled, run_evaluation
    from alignbench.transforms.learning.folder import Destination
    from alignbench.transforms.named import resolve

    evidence = Evidence(
        dataset=_LEVEL,
        judgments=DATASETS.load(_LEVEL).read(None, (_NEW,)),
        local=("shapes-middle", DATASETS.load("shapes-middle").read(None, ("test",)).images),
        labelled=Labelled("shapes", *labelled_scenes()),
    )
    choice = resolve(transform)
    layer = transformed_layer(ready.tower, choice, Use(_MODEL, ready.reading.view))
    with LearningProgress() as listener:
        destination = Destination(output, draw_similarities)
        return run_evaluation(Candidate(choice, ready, layer), evidence, destination, listener=listener)[0]
