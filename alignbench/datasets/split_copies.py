"""Splits of triplets that hold the rows of another: a file that was copied under a second name counts people twice.

Random triplets of 1,854 objects coincide now and then, so single rows that two splits share say nothing.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices
from alignbench.datasets.triplet_files import odd_last
from alignbench.errors import AlignbenchWarning, DataError

_FEWEST: Final = 5  # distinct rows: fewer can be in another split by chance
_MUCH: Final = 0.1  # share of rows, beyond what chance gives


def refuse_copied_splits(splits: Mapping[Path, Indices], objects: int) -> None:
    """Refuse splits of which one holds every row of another, as often as that has it, in whatever order.

    Args:
        splits: The triplets of each file, (N, 3), with the odd one last; the order of the first two says nothing.
        objects: How many objects there are.

    Raises:
        DataError: If one holds another; names both files.
    """
    counts = {path: _counted(rows, objects) for path, rows in splits.items()}
    for one, other in itertools.combinations(splits, 2):
        small, large = sorted((one, other), key=lambda path: len(splits[path]))
        few, many = len(splits[small]), len(splits[large])
        held = len(counts[small][0]) >= _FEWEST and _shared(counts[small], counts[large]) == few
        if held and (few == many or _beyond_chance(1.0, many, objects)):
            raise DataError(
                f"{large} holds every judgment of {small}: as splits share none but by chance, one of the two is no "
                "published file: put that there"
            )


def warn_of_calibrating_rows(evaluated: tuple[Path, Indices], drawn_from: tuple[Path, Indices], objects: int) -> None:
    """Warn if many evaluated rows are in the split as well that the corrected protocol fits channel means on.

    Args:
        evaluated: A file and its triplets, (N, 3), see `refuse_copied_splits`.
        drawn_from: The file and the triplets of the split that calibrates.
        objects: How many objects there are.
    """
    (path, rows), (other, others) = evaluated, drawn_from
    shared = _shared(_counted(rows, objects), _counted(others, objects))
    if _beyond_chance(shared / len(rows), len(others), objects):
        warnings.warn(
            f"{shared:,} of the {len(rows):,} judgments of {path} are in {other} too, on which the corrected protocol "
            "fits channel means: check that both are the published files",
            AlignbenchWarning,
            stacklevel=4,
        )


def _beyond_chance(share: float, others: int, objects: int) -> bool:
    """Whether a share of rows that are among some others is above what random triplets of few objects give."""
    kinds = objects * (objects - 1) * (objects - 2) / 2  # a pair and an odd one
    return share > _MUCH + others / kinds


def _counted(rows: Indices, objects: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct rows as one number each, ascending, and how often each is there."""
    first, second, odd = odd_last(rows).T
    numbers, counts = np.unique((first * objects + second) * objects + odd, return_counts=True)
    return numbers, counts


def _shared(
    one: tuple[NDArray[np.int64], NDArray[np.int64]], other: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> int:
    """How many rows two splits share, each as often as both have it."""
    _, first, second = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    return int(np.minimum(one[1][first], other[1][second]).sum())
