"""Tables of text that come with data sets: UTF-8 with or without a mark in front, and faults named by their line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from alignbench.errors import DataError
from alignbench.files import open_plain

_ROOT = "--data-root must name the folder that holds it"
_AGAIN = "download it again"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")


def needed_file(path: Path, remedy: str = _ROOT) -> BinaryIO:
    """Open a file that has to be there; a pipe or a device in its place is not opened.

    Args:
        path: The file.
        remedy: What can be done where it is missing.

    Raises:
        DataError: If it is missing or cannot be read; names it.
    """
    try:
        return open_plain(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: {remedy}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): put the published file there") from error


def file_bytes(path: Path, remedy: str = _ROOT) -> bytes:
    """Read a file that has to be there; see `needed_file`."""
    with needed_file(path, remedy) as file:
        return file.read()


def text_lines(path: Path, remedy: str = _ROOT) -> list[str]:
    """Read the lines of a text file, what is no UTF-8 in them replaced, so that a check of each line can name it.

    Args:
        path: The file; a byte-order mark is passed over.
        remedy: What can be done where it is missing.

    Raises:
        DataError: If it is missing or cannot be read; names it.
    """
    return file_bytes(path, remedy).decode("utf-8-sig", errors="replace").splitlines()


def listed_names(path: Path) -> list[str]:
    """Read a file with a name a line; blank lines are passed over.

    Raises:
        DataError: If it is no text in UTF-8, or lists a name twice; names the line.
    """
    try:
        text = file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: download it again") from error
    repeats = Repeats(path)
    names = []
    for number, line in enumerate(text.splitlines(), start=1):
        if name := line.strip():
            repeats.check(number, name, f"{name[:80]} is listed")
            names.append(name)
    return names


class Repeats:
    """Notices what a table says twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[object, int] = {}

    def check(self, line: int, key: object, said: str) -> None:
        """Note a row.

        Args:
            line: Its line in the file.
            key: What no two rows may share.
            said: Says of the row what is there twice, e.g. `i01_01_1.bmp is rated`.

        Raises:
            DataError: If an earlier row has the same key; names both lines.
        """
        first = self._lines.setdefault(key, line)
        if first != line:
            raise DataError(f"{self._path}, line {line}: {said} twice, first in line {first}: leave one of the two")


def table_rows(
    path: Path,
    columns: Sequence[str],
    delimiter: str = ",",
    optional: Sequence[str] = (),
    remedy: str = "",
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table whose first line names its columns, which are read by these names; each row is one line.

    Args:
        path: The file.
        columns: The columns to read; others may be there.
        delimiter: What parts the columns. Where it is a tab, quotes are text like any other.
        optional: Columns to read where they are there.
        remedy: What can be done where the file or a column is missing; by default what is said of published files.

    Yields:
        The line of each row, and its values without blanks around them.

    Raises:
        DataError: If it is missing, no table of text or lacks a column, or a row has more or fewer values than there
            are columns or a quote that its line does not close; names the line.
    """
    try:
        lines = io.StringIO(file_bytes(path, remedy or _ROOT).decode("utf-8-sig"), newline=None)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a table of text ({error}): {remedy or _AGAIN}") from error
    header = _cells(next(lines, ""), delimiter, f"{path}, line 1")
    columns = [*columns, *(name for name in optional if name in header)]
    places = column_places(header, columns, path, remedy or _AGAIN)
    for line, text in enumerate(lines, start=2):
        if text.strip():
            cells = _cells(text, delimiter, f"{path}, line {line}")
            if len(cells) != len(header):
                raise wrong_length(f"{path}, line {line}", len(cells), len(header), delimiter)
            yield line, {name: cells[place].strip() for name, place in zip(columns, places, strict=True)}


def column_places(header: Sequence[str], columns: Sequence[str], path: Path, remedy: str = _AGAIN) -> list[int]:
    """Find the columns of a table by the names in its first line.

    Args:
        header: The names in the first line.
        columns: The columns that are looked for.
        path: The file, for messages.
        remedy: What can be done where one is missing.

    Raises:
        DataError: If one is missing, or is there twice.
    """
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)}: {remedy}")
    doubled = [name for name in columns if header.count(name) > 1]
    if doubled:
        raise DataError(f"{path}, line 1: the column {doubled[0]} is there twice: leave one of the two")
    return [header.index(name) for name in columns]


def _cells(line: str, delimiter: str, where: str) -> list[str]:
    """The cells of one line, so that a quote which is left open takes no further lines with it."""
    if delimiter == "\t":
        return line.removesuffix("\n").split("\t")
    try:
        return next(csv.reader([line.removesuffix("\n")], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise DataError(
            f"{where}: a quote that does not end with its cell ({error}): download the file again"
        ) from error


def wrong_length(where: str, cells: int, columns: int, delimiter: str) -> DataError:
    """Make the error for a row that has more or fewer cells than its table has columns."""
    quoted = "" if delimiter == "\t" else f"put texts with a '{delimiter}' in quotes, or "
    more = "more" if cells > columns else "fewer"
    return DataError(
        f"{where}: {more} values ({cells}) than the table has columns ({columns}): {quoted}download it again"
    )


def number(text: str) -> float:
    """Return the number that a cell holds in ASCII digits, as `-4.5` or `1e3`; NaN if it holds no finite one."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else math.nan


def path_below(path: str, where: str) -> str:
    """Return a path of a table once it is seen to lead to a place below the data set's own folder.

    Args:
        path: The path as the table has it, relative to the folder.
        where: File and line, for messages.

    Raises:
        DataError: If it is absolute, leads up by `..`, or is no path.
    """
    if _ABSOLUTE.match(path) or ".." in re.split(r"[/\\]", path) or "\0" in path:
        raise DataError(f"{where}: the path {path[:80]!r} leads out of the data root: write one relative to it")
    return path
