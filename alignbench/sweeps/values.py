"""Values of parameters, and the options of a command that they are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = str | int | float | bool


@dataclass(frozen=True)
class Option:
    """An option of the command that cells are run with.

    Attributes:
        name: Name without the leading hyphens, e.g. `batch-size`.
        takes: What it takes: a `flag` takes no value, a `number` is an integer.
    """

    name: str
    takes: Literal["flag", "number", "text"]
