"""`alignbench alignet plan`: what a full-size job would take."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.plan import check_speed, read_counts, shown_operations, shown_size, shown_time
from alignbench.cli.completion import models, one_of
from alignbench.cli.options import AsJson, BatchTriplets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from alignbench.alignet.planning import StageCost


def plan(
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Model that becomes the student.", autocompletion=models)
    ] = "openai/clip-vit-base-patch32",
    teacher: Annotated[
        str,
        typer.Option(metavar="MODEL", help="Model whose features the teacher transforms.", autocompletion=models),
    ] = "open_clip:ViT-SO400M-14-SigLIP-384/webli",
    images: Annotated[
        int, typer.Option(metavar="N", help="Number of pictures; they are assumed to be JPEGs.")
    ] = 1_281_167,
    triplets: Annotated[int, typer.Option(metavar="N", help="Number of triplets.")] = 10_000_000,
    clusters: Annotated[int, typer.Option(metavar="N", help="Number of clusters.")] = 500,
    iterations: Annotated[int, typer.Option(metavar="N", help="Number of iterations of k-means.")] = 300,
    steps: Annotated[int, typer.Option(metavar="N", help="Number of training steps.")] = 100_000,
    batch_triplets: BatchTriplets = 512,
    width: Annotated[int, typer.Option(metavar="N", help="Width of the new linear head.")] = 1024,
    head_only: Annotated[
        bool, typer.Option("--head-only", help="Train only the new head, not the model below it.")
    ] = False,
    precision: Annotated[
        str,
        typer.Option(
            metavar="TYPE", help="Precision of the models: fp32 or bf16.", autocompletion=one_of("fp32", "bf16")
        ),
    ] = "bf16",
    devices: Annotated[
        str, typer.Option(metavar="N[,N]", help="Processes; several numbers, such as 1,8, give a column each.")
    ] = "1,8,64",
    device: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Device whose speed to assume: cpu, a100 or h100.",
            autocompletion=one_of("cpu", "a100", "h100"),
        ),
    ] = "h100",
    images_per_second: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Images per second that one process trains on, as `alignet train` prints it, if you know the rate.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Estimate the cost of AligNet, stage by stage.

    The defaults are those of the published work. No weights are loaded and no pictures are opened.
    """
    from alignbench.alignet.planned_job import PlannedJob, PlannedModel, check_sizes
    from alignbench.alignet.planning import assumptions, stage_costs
    from alignbench.alignet.training.recipe import Course, StudentRecipe
    from alignbench.cli.console import print_json, print_table
    from alignbench.measurement.cost.rates import assumed_rates

    counts = read_counts(devices)
    check_speed(images_per_second)
    recipe = StudentRecipe(width=width, head_only=head_only, steps=steps, batch=batch_triplets, precision=precision)
    recipe.checked()
    for count in counts:
        Course(devices=count).checked(batch_triplets)
    check_sizes(images, triplets, clusters, iterations)
    rates = assumed_rates(device, precision)
    taught, seen = (PlannedModel.named(name) for name in (model, teacher))
    job = PlannedJob(seen, taught, images, triplets, clusters, iterations, recipe).checked()
    found = [stage_costs(job, rates, count, images_per_second) for count in counts]
    said = assumptions(job, rates, images_per_second)
    if as_json:
        print_json({"stages": [asdict(stage) for each in found for stage in each], "assumptions": said})
        return 0
    print(f"AligNet: {images:,} images, {triplets:,} triplets, {recipe.steps:,} steps of {recipe.batch:,}; an estimate")
    print_table(_sizes(found[0]))
    print_table(_times(found))
    for line in said:
        print(line)
    return 0


def _sizes(stages: Sequence[StageCost]) -> Table:
    """A row for each stage: what does not hang on the number of processes."""
    from rich.table import Table

    table = Table()
    table.add_column("")
    for name in ("images", "operations", "looked at", "stays on disk", "more meanwhile"):
        table.add_column(name, justify="right")
    for stage in stages:
        table.add_row(
            stage.stage,
            f"{stage.images:,}" if stage.images else "-",
            shown_operations(stage.flops) if stage.flops else "-",
            *(shown_size(size) if size else "-" for size in (stage.read_bytes, stage.disk_bytes, stage.scratch_bytes)),
        )
    return table


def _times(found: Sequence[Sequence[StageCost]]) -> Table:
    """A row for each stage, with time and memory for each number of processes."""
    from rich.table import Table

    table = Table()
    table.add_column("")
    for stages in found:
        table.add_column(f"time on {stages[0].devices}", justify="right")
    for stages in found:
        table.add_column(f"memory each of {stages[0].devices}", justify="right")
    for stages in zip(*found, strict=True):
        times, sizes = (shown_time(each.seconds) for each in stages), (shown_size(each.memory_bytes) for each in stages)
        table.add_row(stages[0].stage, *times, *sizes)
    return table
