"""Labelled triplets of pictures, whoever labelled them: a folder of `alignbench alignet label`, or a published file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.released_triplets import read_released
from alignbench.alignet.stage_folders import made_by, map_rows, read_names, read_record
from alignbench.errors import DataError, counted
from alignbench.extraction.feature_forms import few
from alignbench.extraction.row_matching import best_matching

STAGE: Final = "labels"
TRIPLETS: Final = "triplets.npy"
SIMILARITIES: Final = "similarities.npy"
_BLOCK: Final = 1 << 20  # triplets that are looked at at once


@dataclass(frozen=True)
class LabelledTriplets:
    """Triplets of pictures with a teacher's similarities, the odd one of each last.

    Attributes:
        names: Names of the pictures.
        triplets: Three numbers of names each, (n, 3) int32.
        similarities: The teacher's raw similarities, (n, 3) float32, as [s01, s02, s12]; s01 is the largest.
        record: What is known of them, as `labels.json` has it.
        path: Where they come from, for messages.
    """

    names: tuple[str, ...]
    triplets: NDArray[np.int32]
    similarities: NDArray[np.float32]
    record: dict[str, Any]
    path: Path = Path("triplets")

    @classmethod
    def open(cls, path: Path) -> LabelledTriplets:
        """Open labelled triplets; those of a folder stay on the disk.

        Args:
            path: A folder that `alignbench alignet label` made, or a published `.npz`.

        Raises:
            DataError: If there is none, or it cannot be read; its numbers are looked at by `check`.
        """
        if path.suffix == ".npz" and not path.is_dir():
            released = read_released(path)
            record = {"settings": {"released": path.name, **released.told}}
            return cls(released.names, released.triplets, released.similarities, record, path)
        record = read_record(path, STAGE)
        triplets = map_rows(path / TRIPLETS, np.int32, 3)
        similarities = map_rows(path / SIMILARITIES, np.float32, 3)
        return cls(read_names(path), triplets, similarities, record, path)

    def check(self) -> LabelledTriplets:
        """Return them once it is seen that they can be learned from; every row is looked at.

        Raises:
            DataError: If there are none, or of another length than their similarities, a number names no picture, a
                picture stands twice in a triplet, a similarity is not finite, or the odd one is not last.
        """
        if len(self.triplets) != len(self.similarities):
            raise DataError(
                f"{self.path} has {counted(len(self.triplets), 'triplet')} and "
                f"{counted(len(self.similarities), 'row')} of similarities: label them again by {made_by(STAGE)}"
            )
        if not len(self.triplets):
            raise DataError(f"{self.path} holds no triplets: label some by {made_by(STAGE)}")
        check_triplets(self.path, self.triplets, len(self.names))
        for start, block in _blocks(self.similarities):
            finite = np.isfinite(block).all(axis=1)
            if not finite.all():
                row = start + int(np.argmin(finite))
                raise DataError(
                    f"{self.path}: the similarities of row {row:,} are not finite: label the triplets again"
                )
        share = self.first_largest()
        if share < 1:
            raise DataError(
                f"{self.path}: in {100 * (1 - share):.4g} % of its rows the first similarity is not the largest, so "
                "that the odd one is not last: order pictures and similarities as [s01, s02, s12], s01 the largest, "
                f"as {made_by(STAGE)} does"
            )
        return self

    def first_largest(self) -> float:
        """Return the share of rows whose first similarity is the largest, one of several alike included."""
        first = sum(int((block[:, 0] >= block.max(axis=1)).sum()) for _, block in _blocks(self.similarities))
        return first / len(self.similarities)

    def of_pictures(self, pictures: Sequence[str], about: str) -> LabelledTriplets:
        """Return them with numbers of some pictures: each is found by its path, or else by its file name.

        Args:
            pictures: Names of the pictures that are there, which become `names`.
            about: What holds them, for messages.

        Raises:
            DataError: If a picture is not there, or cannot be told from another; gives examples.
        """
        if tuple(pictures) == self.names:
            return self
        matched = best_matching(pictures, self.names)
        if not matched.fits:
            lacking = matched.lacking(self.names)
            fault = f"lacks {len(lacking):,}" if lacking else "holds several of one file name for some"
            shown = lacking or [name for name, rows in zip(self.names, matched.found, strict=True) if len(rows) > 1]
            files = {name.replace("\\", "/").rpartition("/")[2] for name in self.names}
            by = "path or file name" if len(files) == len(self.names) else "path (some have one file name)"
            raise DataError(
                f"{about} {fault} of the {counted(len(self.names), 'picture')} of {self.path} ({few(shown)}), by {by}: "
                "give the pictures that its triplets were made of"
            )
        numbers = matched.rows().astype(np.int32)
        triplets = np.empty(self.triplets.shape, dtype=np.int32)
        for start, block in _blocks(self.triplets):
            triplets[start : start + len(block)] = numbers[block]
        return replace(self, names=tuple(pictures), triplets=triplets)


def check_triplets(path: Path, triplets: NDArray[np.int32], pictures: int) -> None:
    """Refuse triplets that name no picture, or one twice.

    Args:
        path: What holds them, for messages.
        triplets: (n, 3).
        pictures: How many pictures there are.

    Raises:
        DataError: If there is such a row; names the first.
    """
    for start, block in _blocks(triplets):
        outside = ((block < 0) | (block >= pictures)).any(axis=1)
        if outside.any():
            row = int(np.argmax(outside))
            raise DataError(
                f"{path}: row {start + row:,} holds the numbers {block[row].tolist()}, of "
                f"{counted(pictures, 'picture')}: make the triplets again"
            )
        first, second, third = block.T
        twice = (first == second) | (first == third) | (second == third)
        if twice.any():
            row = start + int(np.argmax(twice))
            raise DataError(f"{path}: row {row:,} names a picture twice: make the triplets again")


def _blocks(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(0, len(array), _BLOCK):
        yield start, array[start : start + _BLOCK]
