"""`alignbench plan`: what a job would cost."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import one_of
from alignbench.cli.options import (
    AsJson,
    DataSets,
    FeatureMemory,
    Layers,
    MeasuredTransform,
    Model,
    Precision,
    Protocol,
    Subset,
    Tokens,
    data_sets_in,
    default_root,
    names_in,
    parse_bytes,
    print_error,
    whole_number,
)
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from alignbench.measurement.cost.estimate import Estimate

_SLOWEST: Final = 1e-6  # images a second, beyond which a number is a slip
_FASTEST: Final = 1e9


def plan(
    model: Model,
    dataset: DataSets,
    data_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the data set [default: $ALIGNBENCH_DATA/NAME, else its published size is assumed].",
        ),
    ] = None,
    subset: Subset = "",
    protocol: Protocol = "paper",
    tokens: Tokens = "all",
    layers: Layers = "all",
    transform: MeasuredTransform = "",
    precision: Precision = "fp32",
    devices: Annotated[
        str,
        typer.Option(metavar="N[,N]", help="Processes per machine; several numbers, such as 1,8, give a column each."),
    ] = "1",
    num_nodes: Annotated[int, typer.Option(metavar="N", help="Machines that share the work.")] = 1,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Images per batch.")] = 16,
    feature_memory: FeatureMemory = "4GB",
    device: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Device whose speed to assume: cpu, a100 or h100 [default: cpu].",
            autocompletion=one_of("cpu", "a100", "h100"),
        ),
    ] = "",
    images_per_second: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="Forward passes per second of each process, if you know the rate."),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Time one batch on this machine, with random weights, and the reading of a few pictures."
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Estimate the passes, memory and time of a run.

    Without --measure no weights are loaded and no pictures are opened.
    """
    from alignbench.cli.console import print_json
    from alignbench.measurement.cell import Cell
    from alignbench.measurement.cost.estimate import Machines, estimate
    from alignbench.measurement.cost.rates import assumed_rates
    from alignbench.measurement.cost.workload import rates_here, read_subject, read_work

    names, counts = data_sets_in(dataset, data_root), read_counts(devices)
    check_speed(images_per_second)
    if measure and (device or images_per_second is not None):
        raise UsageError("--measure finds the speed of this machine: leave out --device and --images-per-second")
    cells = [
        Cell(
            model=model,
            dataset=name,
            data_root=data_root or default_root(name),
            subsets=names_in(subset),
            tokens=tokens,
            layers=names_in(layers),
            transform=transform or None,
            protocol=protocol,
            batch_size=batch_size,
            precision=precision,
            devices=min(counts),
            nodes=num_nodes,
            feature_memory=parse_bytes(feature_memory),
        ).checked()
        for name in names
    ]
    replace(cells[0], devices=max(counts)).checked()
    assumed = assumed_rates(device or "cpu", precision)
    subject = read_subject(cells[0])
    found: list[Estimate] = []
    for cell in cells:
        work, images = read_work(cell)
        rates = rates_here(cell, subject, images) if measure else assumed
        estimates: list[Estimate] = []
        misfits: list[UsageError] = []
        for count in counts:
            own = rates.shared_by(count)
            if images_per_second is not None:
                own = own.with_images(images_per_second, subject.cost.flops)
            machines = Machines(count, num_nodes, batch_size, cell.feature_memory, own)
            try:
                estimates.append(estimate(subject, work, machines))
            except UsageError as error:
                misfits.append(UsageError(f"{cell.dataset} on {count} x {num_nodes}: {error}"))
        if not estimates:
            raise misfits[0]
        found += estimates
        if not as_json:
            _show(estimates)
        for misfit in misfits:
            print_error(str(misfit))
    if as_json:
        print_json([asdict(each) for each in found])
    return 0


def read_counts(devices: str) -> list[int]:
    """Read the numbers of processes, each of which gets a column.

    Args:
        devices: As given, separated by commas.

    Raises:
        UsageError: If there is none, or one is no number.
    """
    counts = [whole_number("--devices", part, "not a number, nor several such as 1,8,64") for part in names_in(devices)]
    if not counts:
        raise UsageError("--devices is empty: give a number, or several such as 1,8,64")
    return counts


def check_speed(images_per_second: float | None) -> None:
    """Refuse a speed that can only be a slip.

    Raises:
        UsageError: If it is one.
    """
    if images_per_second is not None and not _SLOWEST <= images_per_second <= _FASTEST:
        raise UsageError(
            f"--images-per-second {images_per_second:g} is out of range: give {_SLOWEST:g} to {_FASTEST:g}"
        )


def _show(estimates: list[Estimate]) -> None:
    """Print what the job costs on one data set, a column for each number of processes."""
    from alignbench.cli.console import print_table

    first = estimates[0]
    print(
        f"{first.model} on {first.dataset}: {first.images:,} images, {first.pairs:,} pairs, {first.path}, "
        f"{shown_operations(first.flops_per_image)} an image (2 x multiply-accumulates)"
    )
    print_table(_table(estimates))
    print(f"data: {first.source}; pictures that are the same file twice count as two")
    print(f"rates: {first.rates}")
    print("not counted: start-up, reducing pairs one by one, scoring; the program itself and a batch's activations")


def _table(estimates: list[Estimate]) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("")
    for estimate in estimates:
        machines = f"{estimate.devices} x {estimate.nodes} machines" if estimate.nodes > 1 else str(estimate.devices)
        table.add_column(f"devices {machines}", justify="right")
    for name, shown, ends_section in _ROWS:
        table.add_row(name, *(shown(estimate) for estimate in estimates), end_section=ends_section)
    return table


def shown_size(count: float | None) -> str:
    """Write a number of bytes, to three digits or so."""
    if count is None:
        return "not known"
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}" if count < 100 * scale else f"{count / scale:,.0f} {unit}"
    return f"{count / 1e3:.0f} kB" if count else "0"


def shown_time(seconds: float | None) -> str:
    """Write a number of seconds, to two digits or so."""
    if seconds is None:
        return "-"
    if seconds < 0.1:
        return "< 0.1 s" if seconds else "0"
    if seconds < 90.0:
        return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400.0 else f"{seconds / 3600:.1f} h"


def shown_operations(count: int) -> str:
    """Write a number of floating-point operations."""
    for unit, scale in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count / 1e9:.1f} GFLOP"


_ROWS: tuple[tuple[str, Callable[[Estimate], str], bool], ...] = (
    ("images of the fullest rank", lambda e: f"{e.fullest_rank_images:,}", False),
    ("passes", lambda e: str(e.passes), False),
    ("forward passes in all", lambda e: f"{e.forward_passes:,}", False),
    ("operations in all", lambda e: shown_operations(e.flops), False),
    ("files to decode", lambda e: "drawn" if e.decode_seconds is None else shown_size(e.file_bytes), False),
    ("prepared pictures", lambda e: shown_size(e.pixel_bytes), True),
    ("memory of a rank: features", lambda e: shown_size(e.feature_bytes), False),
    ("  pairs and results", lambda e: shown_size(e.pair_bytes), False),
    ("  weights in float32", lambda e: shown_size(e.weight_bytes), False),
    ("  matrix products, tokens on their way", lambda e: shown_size(e.buffer_bytes), False),
    ("  together", lambda e: shown_size(e.memory_bytes), False),
    ("in a file under TMPDIR", lambda e: shown_size(e.mapped_bytes), False),
    ("--feature-memory for one pass", lambda e: shown_size(e.one_pass_bytes), False),
    ("between ranks", lambda e: shown_size(e.travelling_bytes), True),
    ("time of the fullest rank: decoding", lambda e: shown_time(e.decode_seconds), False),
    ("  forward passes", lambda e: shown_time(e.forward_seconds), False),
    ("  matrix products", lambda e: shown_time(e.product_seconds), False),
    ("  tokens on their way", lambda e: shown_time(e.travel_seconds), False),
    ("expected, pictures decoded", lambda e: shown_time(e.first_seconds), False),
    ("expected, pixels cached", lambda e: shown_time(e.cached_seconds), False),
)
