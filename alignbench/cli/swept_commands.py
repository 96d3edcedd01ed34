"""The commands whose options a sweep may vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from alignbench.cli.commands.interpret.align import align, is_random
from alignbench.cli.commands.run import run
from alignbench.cli.options import names_in, read_options
from alignbench.sweeps.grid import SweptCommand
from alignbench.sweeps.validate import check_run
from alignbench.sweeps.values import Value

_OF_CELL: Final = {  # options that are fields of a cell as they stand
    "resize": "resize",
    "batch-size": "batch_size",
    "accelerator": "accelerator",
    "loader-workers": "workers",
    "random-init": "random_init",
    "seed": "seed",
    "limit": "limit",
    "force-transform": "force_transform",
}


def swept_commands() -> dict[str, SweptCommand]:
    """The commands by name, as they follow `alignbench` on a command line."""
    return {
        "run": SweptCommand(read_options(run), check_run),
        "interpret align": SweptCommand(read_options(align), check_heads),
    }


def check_heads(cell: Mapping[str, Value]) -> None:
    """Refuse a cell of a sweep that `alignbench interpret align` would refuse without looking at data or weights.

    Args:
        cell: Its values, by the names of options.

    Raises:
        UsageError: If so.
    """
    from alignbench.interpret.align_job import AlignJob, Nulls
    from alignbench.measurement.cell import Cell

    of_cell: dict[str, Any] = {field: cell[name] for name, field in _OF_CELL.items() if name in cell}
    of_job: dict[str, Any] = {name: cell[name] for name in ("distance", "dtype", "devices") if name in cell}
    of_nulls: dict[str, Any] = {name: cell[name] for name in ("draws", "twins", "splits") if name in cell}
    if "protocol" in cell:
        of_job["protocols"] = names_in(str(cell["protocol"]))
    of_cell["transform"] = cell.get("transform") or None
    measured = Cell(str(cell["model"]), str(cell["dataset"]), **of_cell)
    nulls = Nulls(**of_nulls)
    AlignJob(measured, **of_job, nulls=replace(nulls, twins=0) if is_random(measured) else nulls).checked()
