"""The cells of a sweep file as they are run without a server: each by its own command line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alignbench.errors import UsageError
from alignbench.sweeps.grid import Sweep
from alignbench.sweeps.values import Value

_OF_THE_SWEEP: Final = {  # options that hold for a whole sweep, and so are not a cell's
    "--output": "give it to alignbench sweep",
    "--wandb": "give it to alignbench sweep",
    "--overwrite": "here a finished cell stays; to measure it again, remove its run folder",
}
_PLAIN: Final = ("model", "dataset")  # whose values say themselves what they are
_LOG_BYTES: Final = 80  # of a cell's name in that of its log


@dataclass(frozen=True)
class SweepCell:
    """One cell of a sweep.

    Attributes:
        parameters: Values of the sweep's parameters, by name.
        arguments: Arguments of its command, word by word.
        name: What people call it: the values in which it differs from the other cells.
        runs: The command of alignbench that it runs.
    """

    parameters: Mapping[str, Value]
    arguments: tuple[str, ...]
    name: str
    runs: str = "run"

    @property
    def key(self) -> str:
        """Identity of the cell: 12 hex digits of SHA-256 over its arguments, and over what it runs if not `run`."""
        words = self.arguments if self.runs == "run" else (self.runs, *self.arguments)
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:12]

    @property
    def log(self) -> str:
        """Name of the file with what its process last said; no longer than a file system takes, in any script."""
        slug = re.sub(r"[^\w.@-]+", "-", self.name).encode()[:_LOG_BYTES].decode(errors="ignore")
        return f"{slug}-{self.key}.log"


def list_cells(sweep: Sweep) -> tuple[SweepCell, ...]:
    """List the cells of a sweep, in W&B's order; those with the same command line are one.

    Raises:
        UsageError: If its command lines have an option that is for `alignbench sweep` to give.
    """
    values = {name: {cell[name] for cell in sweep.cells} for name in sweep.cells[0]}
    varying = [name for name in values if len(values[name]) > 1] or list(values)
    names = [*(name for name in _PLAIN if name in varying), *(name for name in varying if name not in _PLAIN)]
    cells: dict[str, SweepCell] = {}
    for parameters in sweep.cells:
        arguments = tuple(sweep.arguments(parameters))
        for word in arguments:
            option = word.partition("=")[0]
            if option in _OF_THE_SWEEP:
                raise UsageError(f"{sweep.path}: its command lines have {option}: {_OF_THE_SWEEP[option]}")
        words = (str(parameters[name]) if name in _PLAIN else f"{name} {parameters[name]}" for name in names)
        cell = SweepCell(parameters, arguments, ", ".join(words), sweep.runs)
        cells.setdefault(cell.key, cell)
    return tuple(cells.values())
