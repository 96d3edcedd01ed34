"""The class of each picture, and the group that it is of: by its name or by a table, never by its place in a list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.tables import Repeats, table_rows
from alignbench.errors import DataError, UsageError, counted, shortened


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures with a class each, and perhaps an attribute.

    Attributes:
        names: Names of the pictures, (n).
        classes: The class of each, (n).
        attributes: The attribute of each, (n); none where there is none.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    attributes: tuple[str, ...] | None = None

    def groups(self) -> tuple[tuple[str, ...], Indices]:
        """Return the names of the groups, `CLASS/ATTRIBUTE`, and the number of each picture's group, (n,).

        Raises:
            DataError: If there are no attributes, or there is no picture of a class with an attribute; names both.
        """
        assert self.attributes is not None
        kinds = sorted(set(self.attributes))
        pairs = [(label, kind) for label in sorted(set(self.classes)) for kind in kinds]
        found = list(zip(self.classes, self.attributes, strict=True))
        empty = ["/".join(pair) for pair in pairs if pair not in set(found)]
        if len(kinds) < 2:
            raise DataError(f"all pictures have the attribute {kinds[0]}: two at least make groups of a class")
        if empty:
            raise DataError(
                f"{counted(len(empty), 'group')} of {len(pairs)} without a picture ({', '.join(empty[:3])}): a worst "
                "group is of classes with all attributes, so add pictures or leave that class or attribute out"
            )
        places = {pair: number for number, pair in enumerate(pairs)}
        return tuple(map("/".join, pairs)), np.array([places[pair] for pair in found], dtype=np.int64)

    def digest(self) -> str:
        """Return SHA-256 over the names and what each picture is, whatever their order."""
        rows = sorted(zip(self.names, self.classes, self.attributes or [""] * len(self.names), strict=True))
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def by_folders(names: Sequence[str], has_attributes: bool) -> LabelledPictures:
    """Take the first folder of each picture's name for its class, and the second for its attribute.

    Args:
        names: Names of pictures, `CLASS/.../PICTURE` or `CLASS/ATTRIBUTE/.../PICTURE`.
        has_attributes: Whether there are attributes.

    Raises:
        DataError: If a picture does not lie in such folders, or there is one class only.
    """
    levels = 2 if has_attributes else 1
    parts = [name.split("/") for name in names]
    outside = [name for name, each in zip(names, parts, strict=True) if len(each) <= levels]
    if outside:
        wanted = "CLASS/ATTRIBUTE/PICTURE" if has_attributes else "CLASS/PICTURE"
        raise DataError(
            f"{shortened(outside[0])} does not lie in folders as {wanted}: decompose such a folder, or give a table "
            "of classes by --metadata"
        )
    attributes = tuple(each[1] for each in parts) if has_attributes else None
    return _checked(LabelledPictures(tuple(names), tuple(each[0] for each in parts), attributes))


def by_table(path: Path, columns: Sequence[str], names: Sequence[str]) -> LabelledPictures:
    """Read the classes of pictures, and perhaps their attributes, from a table; it may name other pictures too.

    Args:
        path: The CSV file.
        columns: Its columns of names, of classes, and perhaps of attributes.
        names: Names of the pictures.

    Raises:
        UsageError: If these are not two or three columns.
        DataError: If the file is no such table, names a picture twice, lacks one, or there is one class only.
    """
    if len(columns) not in (2, 3) or len(set(columns)) < len(columns):
        raise UsageError(f"--columns {','.join(columns)}: name the columns NAME,CLASS or NAME,CLASS,ATTRIBUTE")
    repeats, found = Repeats(path), dict[str, list[str]]()
    for line, row in table_rows(path, columns, remedy="give a CSV by --metadata, and name its columns by --columns"):
        name, *said = (row[column] for column in columns)
        repeats.check(line, name, f"{shortened(name)} is named")
        if not all(said):
            raise DataError(f"{path}, line {line}: an empty {columns[1 + said.index('')]}: fill it in")
        found[name] = said
    lacking = [name for name in names if name not in found]
    if lacking:
        raise DataError(
            f"{path} lacks {len(lacking):,} of {counted(len(names), 'picture')} ({shortened(lacking[0])}): add them, "
            "with names as they are below the folder of pictures"
        )
    rows = [found[name] for name in names]
    attributes = tuple(row[1] for row in rows) if len(columns) == 3 else None
    return _checked(LabelledPictures(tuple(names), tuple(row[0] for row in rows), attributes))


def _checked(pictures: LabelledPictures) -> LabelledPictures:
    if len(set(pictures.classes)) < 2:
        raise DataError(f"all pictures are of class {pictures.classes[0]}: two classes at least are needed")
    return pictures
