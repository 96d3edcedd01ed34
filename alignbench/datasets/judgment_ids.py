"""Names of judgments: texts, or numbers of rows from which the texts are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices

_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class NumberedIds(Sequence[str]):
    """The names `FILE:ROW` of judgments, each made when it is asked for: a text that is kept takes 100 bytes.

    Attributes:
        files: Names of files.
        file: Index in `files` of each judgment's file, (n,).
        row: Row of each judgment in its file, (n,).
    """

    files: tuple[str, ...]
    file: NDArray[np.int8]
    row: Indices

    @classmethod
    def of(cls, file: str, rows: Indices) -> NumberedIds:
        """Name some rows of one file."""
        return cls((file,), np.zeros(len(rows), dtype=np.int8), rows)

    @classmethod
    def joined(cls, parts: Sequence[NumberedIds]) -> NumberedIds:
        """Join the names of several parts, one after another."""
        first = np.cumsum([0, *(len(part.files) for part in parts)])
        return cls(
            tuple(file for part in parts for file in part.files),
            np.concatenate([part.file + start for part, start in zip(parts, first, strict=False)]).astype(np.int8),
            np.concatenate([part.row for part in parts]),
        )

    def select(self, rows: Indices | slice) -> NumberedIds:
        """Select the names at some places."""
        return NumberedIds(self.files, self.file[rows], self.row[rows])

    def __len__(self) -> int:
        return len(self.row)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> NumberedIds: ...
    def __getitem__(self, index: int | slice) -> str | NumberedIds:
        return self.select(index) if isinstance(index, slice) else f"{self.files[self.file[index]]}:{self.row[index]}"

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):  # a list of all numbers would be larger than the texts
            files, rows = (array[start : start + _AT_ONCE].tolist() for array in (self.file, self.row))
            for file, row in zip(files, rows, strict=True):
                yield f"{self.files[file]}:{row}"

    def __eq__(self, other: object) -> bool:
        """Whether another sequence holds the same names in the same order, as with tuples of texts."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(own == given for own, given in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def selected_ids(ids: Sequence[str], rows: Indices | slice) -> Sequence[str]:
    """Select the names at some places, in whatever form they are."""
    if isinstance(ids, NumberedIds):
        return ids.select(rows)
    return tuple(ids[rows]) if isinstance(rows, slice) else tuple(ids[row] for row in rows.tolist())
