"""Which cluster or class each picture is of: from a clustering, from its folder, or from a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from alignbench.alignet.stage_folders import made_by, read_names, read_record
from alignbench.errors import DataError, counted, one_line, shortened
from alignbench.extraction.feature_forms import few
from alignbench.files import UNREADABLE, open_plain

CLUSTERING: Final = "clustering"
CLUSTERS: Final = "clusters.safetensors"
_COLUMNS: Final = ("name", "class")


@dataclass(frozen=True)
class PictureGroups:
    """Pictures and the group of each.

    Attributes:
        names: Names of the pictures.
        numbers: Number of the group of each, (n,) int32.
        labels: Names of the groups.
        settings: What settles the groups, as a record has it.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.int32]
    labels: tuple[str, ...]
    settings: dict[str, Any]


def cluster_groups(folder: Path) -> PictureGroups:
    """Read the clusters of a folder that `alignbench alignet cluster` made.

    Raises:
        DataError: If it is none, or damaged.
    """
    record, names = read_record(folder, CLUSTERING), read_names(folder)
    path = folder / CLUSTERS
    try:
        open_plain(path).close()
        with safe_open(path, framework="numpy") as file:
            numbers, centroids = file.get_tensor("assignments"), file.get_tensor("centroids")
        if numbers.shape != (len(names),) or numbers.dtype != np.int32 or centroids.ndim != 2:
            raise ValueError(f"its assignments are {numbers.dtype} of shape {numbers.shape}")
        if not len(numbers) or numbers.min() < 0 or numbers.max() >= len(centroids):
            raise ValueError("a picture is of no cluster")
    except (SafetensorError, *UNREADABLE) as error:
        raise DataError(
            f"{path} cannot be read as clusters ({one_line(error)}): make it again by {made_by(CLUSTERING)}"
        ) from error
    return PictureGroups(names, numbers, tuple(map(str, range(len(centroids)))), {"clustering": record["settings"]})


def all_pictures(names: Sequence[str]) -> PictureGroups:
    """Take all pictures for one group, where groups make no difference."""
    return PictureGroups(tuple(names), np.zeros(len(names), dtype=np.int32), ("all",), {"classes": "none"})


def class_groups(names: Sequence[str]) -> PictureGroups:
    """Take the first folder of each picture's name for its class.

    Args:
        names: Names of pictures, `CLASS/.../PICTURE`.

    Raises:
        DataError: If a picture lies in no folder.
    """
    heads = [name.partition("/") for name in names]
    outside = [head for head, slash, _ in heads if not slash]
    if outside:
        raise DataError(
            f"{counted(len(outside), 'picture')} in no folder, and so in no class ({few(outside)}): give the classes "
            "by --labels, or features of a folder with a folder for each class"
        )
    return _grouped(names, [head for head, _, _ in heads], "first folder")


def table_groups(path: Path, names: Sequence[str] | None = None) -> PictureGroups:
    """Read the classes of pictures from a table with the columns `name` and `class`.

    Args:
        path: The CSV file.
        names: Names of the pictures that are wanted; without them, all of the table.

    Raises:
        DataError: If it is no such table, names a picture twice, or lacks one that is wanted; names the line.
    """
    classes: dict[str, str] = {}
    try:
        with open_plain(path) as file:
            rows = csv.reader(TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
            header = next(rows, [])
            if any(header.count(column) != 1 for column in _COLUMNS):
                raise ValueError(f"its first line has to name the columns {' and '.join(_COLUMNS)}")
            places = [header.index(column) for column in _COLUMNS]
            for row in rows:
                if not row:
                    continue
                if len(row) != len(header):
                    raise ValueError(
                        f"line {rows.line_num} has {counted(len(row), 'value')} and the first {len(header)}"
                    )
                name, label = (row[place] for place in places)
                if name in classes:
                    raise ValueError(f"line {rows.line_num} names {shortened(name)} a second time")
                if not name or not label:
                    raise ValueError(f"line {rows.line_num} has no {'class' if name else 'name'}")
                classes[name] = label
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table of classes ({one_line(error)}): mend it") from error
    wanted = list(classes) if names is None else list(names)
    lacking = [name for name in wanted if name not in classes]
    if lacking or not wanted:
        shown = f"has no class for {len(lacking):,} of the {counted(len(wanted), 'picture')} ({few(lacking)})"
        raise DataError(f"{path} {shown if lacking else 'names no picture'}: add them")
    return _grouped(wanted, [classes[name] for name in wanted], "table")


def _grouped(names: Sequence[str], classes: Sequence[str], by: str) -> PictureGroups:
    labels = sorted(set(classes))
    places = {label: number for number, label in enumerate(labels)}
    numbers = np.array([places[label] for label in classes], dtype=np.int32)
    return PictureGroups(tuple(names), numbers, tuple(labels), {"classes": by})
