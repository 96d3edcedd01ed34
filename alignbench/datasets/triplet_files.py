"""Triplet files of THINGS: rows of three object numbers, read as 0-based and with the odd one last.

Up to millions of rows are read at once; only a file with a fault, or in an unusual form, is read line by line.
"""

from __future__ import annotations

import itertools
import re
import warnings
from array import array
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.row_copies import find_copy, times_in_a_row
from alignbench.datasets.tables import column_places, needed_file, number, text_lines, wrong_length
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.files import UNREADABLE

_COLUMNS = ["image1", "image2", "image3", "choice"]
_WHOLE = re.compile(r"[+-]?[0-9]+")
_LARGE: Final = 2**60


def read_triplets(path: Path, objects: int) -> Indices:
    """Read the triplets of a `.txt` or `.npy` file of 0-based numbers, (N, 3).

    Args:
        path: The file.
        objects: How many objects there are.

    Raises:
        DataError: If it holds anything else; names the line or row.
    """
    needed_file(path).close()
    if path.suffix == ".npy":
        return _checked(path, _read_array(path), objects, 0, lambda row: f"row {row}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of an empty file, or a number that is not whole
            rows = np.loadtxt(path, dtype=np.int64, comments=None, ndmin=2, encoding="utf-8-sig")
    except (ValueError, Warning):
        rows = _read_by_line(path)
    if rows.shape[1] != 3:
        rows = _read_by_line(path)
    return _checked(path, rows, objects, 0, lambda row: f"line {_find_line(path, row)}")


def _read_by_line(path: Path) -> Indices:
    numbers = array("q")
    for line, text in enumerate(text_lines(path), start=1):
        parts = text.split()
        try:
            if len(parts) not in (0, 3) or not all(map(_WHOLE.fullmatch, parts)):
                raise ValueError
            numbers.extend(map(int, parts))
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}, line {line}: expected three whole numbers") from error
    if not numbers:
        raise DataError(f"{path} holds no triplets: download it again")
    return np.array(numbers, dtype=np.int64).reshape(-1, 3)


def _find_line(path: Path, row: int) -> int:
    filled = (line for line, text in enumerate(text_lines(path), start=1) if text.strip())
    return next(itertools.islice(filled, row, None))


def _read_array(path: Path) -> Indices:
    try:
        with needed_file(path) as file:
            rows = np.load(file, allow_pickle=False)
            more = isinstance(rows, np.ndarray) and file.read(1)
    except UNREADABLE as error:
        raise DataError(f"{path} is not a plain .npy array: download it again") from error
    if more:
        raise DataError(f"{path} goes on behind its array: download it again")
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iuf":
        raise DataError(f"{path} does not hold an array of numbers: download it again")
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise DataError(f"{path}: expected numbers of shape (N, 3), found shape {rows.shape}")
    if not np.array_equal(rows, np.trunc(rows)):
        raise DataError(f"{path} holds numbers that are not whole: download it again")
    with np.errstate(invalid="ignore"):  # of infinite ones, which are out of range then
        return rows.astype(np.int64)


def read_table(path: Path, objects: int) -> Indices:
    """Read the triplets of the full table, (N, 3): 1-based `image1`..`image3`, of which `choice` names the odd one.

    Args:
        path: The tab-separated file; quotes are text like any other.
        objects: How many objects there are.

    Raises:
        DataError: If a column is missing, or a row has more or fewer values than there are columns or holds anything
            else; names the line.
    """
    with _opened_text(path) as file:
        header = next(file, "").rstrip("\n").split("\t")
        places = column_places(header, _COLUMNS, path)
        for line, text in enumerate(file, start=2):
            if text.count("\t") != len(header) - 1 and text.strip():
                raise wrong_length(f"{path}, line {line}", text.count("\t") + 1, len(header), "\t")
    try:
        with warnings.catch_warnings(), _opened_text(path) as file:
            warnings.simplefilter("error")  # of a table without rows, or a number that is not whole
            rows = np.loadtxt(file, np.int64, comments=None, delimiter="\t", skiprows=1, usecols=places, ndmin=2)
    except (ValueError, Warning):
        rows = _read_cells(path, places)
    wrong = (rows[:, 3] < 1) | (rows[:, 3] > 3)
    if wrong.any():
        raise _no_choice(path, _find_line(path, 1 + int(np.argmax(wrong))))
    odd = rows[:, 3] - 1
    order = np.array([[1, 2, 0], [0, 2, 1], [0, 1, 2]])[odd]
    triplets = np.take_along_axis(rows[:, :3], order, axis=1) - 1
    return _checked(path, triplets, objects, 1, lambda row: f"line {_find_line(path, 1 + row)}")


def _opened_text(path: Path) -> TextIOWrapper:
    return TextIOWrapper(needed_file(path), encoding="utf-8-sig", errors="replace")


def _read_cells(path: Path, places: list[int]) -> Indices:
    """Read the cells at some places of each line as whole numbers, which may be written as `7.0`."""
    numbers = array("q")
    with _opened_text(path) as file:
        next(file)
        for line, text in enumerate(file, start=2):
            cells = text.split("\t")
            values = [number(cells[place].strip()) for place in places] if text.strip() else []
            if not all(value.is_integer() and abs(value) < _LARGE for value in values):
                raise _no_choice(path, line)
            numbers.extend(map(int, values))
    return np.array(numbers, dtype=np.int64).reshape(-1, 4)


def _no_choice(path: Path, line: int) -> DataError:
    return DataError(f"{path}, line {line}: expected three object numbers and a choice 1 to 3")


def odd_last(rows: Indices) -> Indices:
    """Return triplets with the kept pair in ascending order, as its order says nothing; the odd one stays last."""
    return np.column_stack([np.sort(rows[:, :2], axis=1), rows[:, 2]])


def _checked(path: Path, rows: Indices, objects: int, base: int, where: Callable[[int], str]) -> Indices:
    """Return 0-based triplets once it is seen that they can be those of a file that counts from `base`.

    Rows may repeat, as people judge a triplet more than once, but not as a copy of the rows before them, nor every one
    as often in a row.
    """
    if not len(rows):
        raise DataError(f"{path} holds no triplets: download it again")
    other = 1 - base
    fits_other = bool((rows.min() >= other - base) and (rows.max() < objects + other - base))
    outside = ((rows < 0) | (rows >= objects)).any(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        worst = next(int(v) for v in rows[row] if not 0 <= v < objects) + base
        hint = f"; it counts the {objects:,} objects from {other}, as it seems: count from {base}" if fits_other else ""
        raise DataError(f"{path}, {where(row)}: object {worst} is out of range {base} to {objects - 1 + base}{hint}")
    twice = (rows[:, 0] == rows[:, 1]) | (rows[:, 0] == rows[:, 2]) | (rows[:, 1] == rows[:, 2])
    if twice.any():
        row = int(np.argmax(twice))
        raise DataError(f"{path}, {where(row)}: the triplet names an object twice: download the file again")
    if fits_other:
        unnamed = 0 if base == 0 else objects
        warnings.warn(
            f"{path} is read as counting objects from {base}, and never names object {unnamed}: if it counts from "
            f"{other}, every object is taken for its neighbour, and the scores mean nothing",
            AlignbenchWarning,
            stacklevel=3,
        )
    kept = odd_last(rows)
    times = times_in_a_row(kept)
    if times > 1:
        raise DataError(
            f"{path}, {where(1)}: every row of the file stands {times} times in a row: leave the copies out"
        )
    copy = find_copy(kept)
    if copy is not None:
        order = "the reverse of their order" if copy.backwards else "the same order"
        raise DataError(f"{path}, {where(copy.start)}: rows before it follow once more, in {order}: leave the copy out")
    return rows
