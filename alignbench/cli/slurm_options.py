"""Options of `alignbench sweep` that say what Slurm gives each cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.errors import UsageError

if TYPE_CHECKING:
    from alignbench.sweeps.slurm_jobs import Resources

_CORES: Final = 4
_HOUR: Final = "60"

Partition = Annotated[str | None, typer.Option(metavar="NAME", help="Slurm partition [default: Slurm's own].")]
GpusPerCell = Annotated[int | None, typer.Option(metavar="N", help="GPUs per cell, with --slurm [default: 0].")]
CpusPerCell = Annotated[int | None, typer.Option(metavar="N", help="CPU cores per cell, with --slurm [default: 4].")]
TimeLimit = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Time limit of a cell, with --slurm: minutes, or [D-]HH:MM:SS [default: 60]."),
]
JobsAtOnce = Annotated[
    int | None, typer.Option(metavar="N", help="Most cells at the same time, with --slurm [default: no limit].")
]


def read_resources(given: Mapping[str, str | int | None], slurm: bool) -> Resources | None:
    """Read what Slurm is to give each cell; none if Slurm is not to run them.

    Args:
        given: The values of the options above, by their names on the command line; none where one is not given.
        slurm: Whether Slurm is to run the cells.

    Raises:
        UsageError: If options are given that mean nothing, or one has a value that it cannot have.
    """
    found = {name: value for name, value in given.items() if value is not None}
    if not slurm:
        if found:
            raise UsageError(f"{next(iter(found))} is for jobs of Slurm: give --slurm too, or leave it out")
        return None
    from alignbench.sweeps.slurm_jobs import Resources, read_minutes

    fewest = {"--gpus-per-cell": 0, "--cpus-per-cell": 1, "--array-parallelism": 1}
    numbers = {name: int(found[name]) for name in fewest if name in found}
    for name, value in numbers.items():
        if value < fewest[name]:
            raise UsageError(f"{name} {value} is below {fewest[name]}: give {fewest[name]} or more")
    return Resources(
        str(found.get("--partition", "")),
        numbers.get("--gpus-per-cell", 0),
        numbers.get("--cpus-per-cell", _CORES),
        read_minutes(str(found.get("--time", _HOUR))),
        numbers.get("--array-parallelism"),
    )
