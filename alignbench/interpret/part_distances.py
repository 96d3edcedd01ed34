"""The distances that parts of an output were scored by, kept beside their scores, so that two models can be paired."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import DataError, one_line, shortened
from alignbench.files import open_plain, write_safetensors
from alignbench.files.json_text import checked, parse_json
from alignbench.interpret.components import WAYS, Component, PartCurve
from alignbench.interpret.part_scores import MeasuredParts
from alignbench.results.head_alignment import KINDS

FILE: Final = "part_distances.safetensors"
_AGAIN: Final = "remove the folder, and make it again by `alignbench interpret align`"


def write_part_distances(folder: Path, measured: Sequence[MeasuredParts], distance: str) -> None:
    """Write `part_distances.safetensors`: (parts, pairs) for each protocol, float64.

    Args:
        folder: A scratch folder.
        measured: The distances under each protocol.
        distance: Name of the distance.

    Raises:
        OSError: If it cannot be written.
    """
    arrays = {each.of.cell.protocol: each.found.values[distance] for each in measured}
    told = {each.of.cell.protocol: json.dumps([_told(curve) for curve in each.curves]) for each in measured}
    write_safetensors(folder / FILE, arrays, told)


def read_part_distances(folder: Path) -> dict[str, tuple[tuple[PartCurve, ...], Floats]]:
    """Read what `write_part_distances` has written: by protocol the parts, and their distances (parts, pairs).

    Args:
        folder: The folder of the scores.

    Raises:
        DataError: If it is not there, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    try:
        open_plain(path).close()
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
            return {name: _checked(told.get(name, ""), file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}): {_AGAIN}") from error


def _checked(text: str, values: Floats) -> tuple[tuple[PartCurve, ...], Floats]:
    """Distances with their parts.

    Raises:
        ValueError: If they do not fit together, or are no finite numbers.
    """
    parts = checked("list of parts", parse_json(text), (list,))
    curves = tuple(map(_part, parts))
    if values.dtype != np.float64 or values.ndim != 2 or len(values) != len(curves):
        raise ValueError(f"{len(curves)} parts have distances of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("it holds numbers that are not finite")
    return curves, values


def _told(curve: PartCurve) -> str:
    """What a part is called in the file, e.g. `head 12 3 alone`."""
    return f"{curve.component.kind} {curve.component.layer} {curve.component.head} {curve.way}"


def _part(told: str) -> PartCurve:
    """The part that is called so.

    Raises:
        ValueError: If there is none.
    """
    words = told.split(" ")
    if len(words) != 4 or words[0] not in KINDS or words[3] not in WAYS:
        raise ValueError(f"'{shortened(told)}' is no part")
    return PartCurve(Component(words[0], int(words[1]), int(words[2])), words[3])
