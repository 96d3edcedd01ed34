"""The folders that the stages leave: a record, names of pictures, and arrays that are mapped rather than read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.format import dtype_to_descr, open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from alignbench.errors import DataError, one_line
from alignbench.extraction.feature_files import parse_names
from alignbench.files import UNREADABLE, claim_room, open_plain
from alignbench.files.json_text import checked_object, read_json

NAMES: Final = "names.json"
FORMAT: Final = 1
"""What the records say of their arrays: triplets are three pictures a row. Rows of four, a triplet and the picture that
it is seen beside, would be another format."""
_MADE_BY: Final[Mapping[str, str]] = {"clustering": "cluster", "sampling": "sample", "labels": "label"}


def made_by(stage: str) -> str:
    """Return the command that leaves a stage's folder."""
    return f"`alignbench alignet {_MADE_BY[stage]}`"


def is_stage(folder: Path, stage: str) -> bool:
    """Whether a folder holds what a stage leaves; its record is written last."""
    return (folder / f"{stage}.json").is_file()


def read_record(folder: Path, stage: str) -> dict[str, Any]:
    """Read the record of a stage's folder.

    Args:
        folder: The folder.
        stage: What the record is called: `clustering`, `sampling` or `labels`.

    Raises:
        DataError: If it is no such folder, or the record cannot be read; names the command that makes one.
    """
    if not is_stage(folder, stage):
        what = "is not there" if not os.path.lexists(folder) else f"holds no {stage}.json"
        others = [other for other in _MADE_BY if other != stage and is_stage(folder, other)]
        found = f", but {others[0]}.json" if others else ""
        raise DataError(f"{folder} {what}{found}: name a folder that {made_by(stage)} made")
    try:
        record = checked_object("record", read_json(folder / f"{stage}.json"), {"settings": (dict,), "format": (int,)})
        if "settings" not in record:
            raise ValueError("it has no settings")
        if record.get("format", FORMAT) != FORMAT:  # the first folders did not say it
            raise ValueError(f"it is of format {record['format']}, and this version reads format {FORMAT}")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / f'{stage}.json'} cannot be read ({one_line(error)}): make the folder again by {made_by(stage)}"
        ) from error
    return record


def write_record(folder: Path, stage: str, settings: Mapping[str, Any], details: Mapping[str, Any]) -> None:
    """Write the record of a stage, after all else that its folder holds.

    Args:
        folder: The folder, while it is written.
        stage: What the record is called.
        settings: Everything that can change a number.
        details: What else is recorded.

    Raises:
        OSError: If it cannot be written.
    """
    text = json.dumps({"format": FORMAT, "settings": dict(settings), **details}, indent=2) + "\n"
    (folder / f"{stage}.json").write_text(text, encoding="utf-8")


def read_names(folder: Path) -> tuple[str, ...]:
    """Read the names of a folder's pictures.

    Raises:
        DataError: If they are not there, no list of texts, or one stands there twice.
    """
    path = folder / NAMES
    try:
        with open_plain(path) as file:
            names = parse_names(file.read().decode("utf-8"))
        if len(set(names)) < len(names):
            raise ValueError("a name stands there twice")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as names of pictures ({one_line(error)}): make it again") from error
    return names


def write_names(folder: Path, names: Sequence[str]) -> None:
    """Write the names of a folder's pictures.

    Raises:
        OSError: If they cannot be written.
    """
    (folder / NAMES).write_text(json.dumps(list(names)), encoding="utf-8")


def new_array(path: Path, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Make a `.npy` that is written through memory, once its room on the disk is claimed.

    Args:
        path: The file.
        kind: Type of its numbers.
        shape: Its shape.

    Raises:
        OSError: If there is no room for it.
    """
    kind = np.dtype(kind)
    header = {"descr": dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        write_array_header_1_0(file, header)
        file.flush()
        claim_room(file.fileno(), file.tell() + math.prod(shape) * kind.itemsize)
    array: NDArray[Any] = open_memmap(path, mode="r+")
    return array


def map_rows(path: Path, kind: Any, columns: int) -> NDArray[Any]:
    """Map a `.npy` of rows, of which nothing is read yet.

    Args:
        path: The file.
        kind: Type that its numbers have.
        columns: How many it has in a row.

    Raises:
        DataError: If it is not there, damaged, or holds anything else.
    """
    try:
        open_plain(path).close()
        array: NDArray[Any] = open_memmap(path, mode="r")
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as a plain array ({one_line(error)}): make it again") from error
    if array.ndim != 2 or array.shape[1] != columns or array.dtype != np.dtype(kind):
        raise DataError(
            f"{path} holds {array.dtype} of shape {array.shape}, where {np.dtype(kind)} of shape (n, {columns}) belong"
        )
    return array
