"""`alignbench interpret plan`: what a store of contributions would take."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.interpret.decompose import ClassToken, StoredLayers, StoredType
from alignbench.cli.commands.plan import check_speed, read_counts, shown_operations, shown_size, shown_time
from alignbench.cli.completion import one_of
from alignbench.cli.options import AsJson, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from alignbench.interpret.planning import StoreCost


def plan(
    model: Model,
    images: Annotated[
        int, typer.Option(metavar="N", help="Number of pictures; they are assumed to be JPEGs.")
    ] = 50_000,
    layers: StoredLayers = "last4",
    dtype: StoredType = "fp32",
    class_token: ClassToken = False,
    devices: Annotated[
        str, typer.Option(metavar="N[,N]", help="Processes; several numbers, such as 1,8, give a column each.")
    ] = "1,8",
    device: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Device whose speed to assume: cpu, a100 or h100.",
            autocompletion=one_of("cpu", "a100", "h100"),
        ),
    ] = "cpu",
    images_per_second: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="Pictures per second that one process decomposes, if you know the rate."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Estimate the cost of `interpret decompose`.

    No weights are loaded and no pictures are opened.
    """
    from alignbench.cli.console import print_json, print_table
    from alignbench.interpret.planning import store_cost
    from alignbench.interpret.store_job import StoreJob
    from alignbench.measurement.cost.rates import assumed_rates

    counts = read_counts(devices)
    check_speed(images_per_second)
    rates = assumed_rates(device, "fp32")
    jobs = [StoreJob(layers, dtype, devices=count, class_token=class_token).checked() for count in counts]
    found = [store_cost(model, images, job, rates, images_per_second) for job in jobs]
    said = rates.origin
    if images_per_second is not None:
        said = f"given: a process decomposes {images_per_second:g} images/s, decoding included; all else {said}"
    if as_json:
        print_json({"stores": [asdict(each) for each in found], "rates": said})
        return 0
    first = found[0]
    kept = f"{len(first.layers)} layers x {first.heads} heads x {first.width:,} numbers"
    print(f"{model}, {images:,} images: {kept} in {dtype}; an estimate")
    print_table(_table(found))
    print(f"rates: {said}")
    print("not counted: start-up, picture files, names of the pictures, writing; the program itself and a batch")
    return 0


def _table(found: Sequence[StoreCost]) -> Table:
    """A column for each number of processes."""
    from rich.table import Table

    table = Table()
    table.add_column("")
    for each in found:
        table.add_column(f"devices {each.devices}", justify="right")
    rows = (
        ("forward passes", [f"{each.images:,}" for each in found]),
        ("operations of these", [shown_operations(each.forward_flops) for each in found]),
        ("operations of decomposing", [shown_operations(each.decomposition_flops) for each in found]),
        ("on disk: heads", [shown_size(each.head_bytes) for each in found]),
        ("  MLPs, embedding, and the rest", [shown_size(each.other_bytes) for each in found]),
        ("  together", [shown_size(each.store_bytes) for each in found]),
        ("weights in each process", [shown_size(each.weight_bytes) for each in found]),
        ("time: decoding", [shown_time(each.decode_seconds) for each in found]),
        ("  forward passes and decomposing", [shown_time(each.forward_seconds) for each in found]),
        ("  expected", [shown_time(each.seconds) for each in found]),
    )
    for name, cells in rows:
        table.add_row(name, *cells)
    return table
