"""What sets of distorted pictures share: every rating is of a reference beside one of its distortions at some level."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.datasets.tables import number
from alignbench.errors import AlignbenchWarning, DataError, unknown

LEVELS = 5


@dataclass(frozen=True)
class Rating:
    """How much a distorted picture looks like its reference.

    Attributes:
        id: Stable name of the judgment.
        reference: Path of the reference relative to the data root.
        distorted: Path of the distorted picture relative to the data root.
        score: Rating by people; higher means that the two look closer.
        numbers: Numbers of the reference, the distortion and the level.
        error: Standard error of the score; none where the data set gives none.
    """

    id: str
    reference: str
    distorted: str
    score: float
    numbers: tuple[int, int, int]
    error: float | None = None


def rated_distortions(
    dataset: str, table: Path, ratings: Sequence[Rating], subsets: tuple[str, ...], distortions: int
) -> Judgments:
    """Make judgments from ratings, with the subsets `all`, `distortion_01` and so on, and `level_1` to `level_5`.

    Args:
        dataset: Name of the data set.
        table: File of the ratings, in the data root.
        ratings: Ratings that the file holds.
        subsets: Subsets that are scored.
        distortions: How many distortions the whole data set has.

    Raises:
        UsageError: If there is no such subset; names the nearest.
        DataError: If nothing is there of a subset.
    """
    known = ("all", *(f"distortion_{number:02d}" for number in range(1, distortions + 1)))
    known += tuple(f"level_{number}" for number in range(1, LEVELS + 1))
    numbers = np.array([rating.numbers for rating in ratings], dtype=np.int64)
    parts = distortion_parts(numbers)
    for subset in subsets:
        if subset not in known:
            raise unknown(f"subset of {dataset}", subset, known)
        if subset != "all" and subset not in parts:
            raise DataError(f"{table} has no rating of {subset}")
    images: dict[str, int] = {}  # numbers of the pictures, in the order in which they first occur
    ends = [[[images.setdefault(path, len(images)) for path in (r.reference, r.distorted)]] for r in ratings]
    pairs, judged = unique_pairs(np.array(ends, dtype=np.int64))
    whole = Subset("all", np.arange(len(ratings)), numbers[:, :1])
    errors = [rating.error for rating in ratings if rating.error is not None]
    return Judgments(
        dataset=dataset,
        level="low",
        kind="rating",
        images=FileImages(table.parent, tuple(images)),
        pairs=pairs,
        judged=judged,
        human=np.array([rating.score for rating in ratings]),
        ids=tuple(rating.id for rating in ratings),
        subsets=tuple(parts.get(subset, whole) for subset in subsets),
        parts=tuple(parts.values()),
        rating_errors=np.array(errors) if len(errors) == len(ratings) else None,
    ).used()


def read_rating(text: str, scale: tuple[int, int], where: str) -> float:
    """Read a rating.

    Args:
        text: The cell of a table.
        scale: The lowest and the highest rating that the data set has.
        where: File, line and column, for messages.

    Raises:
        DataError: If it is no number on that scale.
    """
    score = number(text)
    if not scale[0] <= score <= scale[1]:  # so that not-a-number is refused too
        raise DataError(
            f"{where}: expected a rating from {scale[0]} to {scale[1]}, found {text[:20]!r}: download the file again"
        )
    return score


def published_numbers(match: re.Match[str] | None, distortions: int) -> tuple[int, int, int] | None:
    """Return the numbers of the reference, the distortion and the level that the name of a distorted picture has.

    Args:
        match: The three numbers as groups of a match; none if the name is of another form.
        distortions: How many distortions the whole data set has.

    Returns:
        The numbers; none if there is no such reference, distortion or level.
    """
    if match is None:
        return None
    reference, distortion, level = map(int, match.groups())
    known = reference >= 1 and 1 <= distortion <= distortions and 1 <= level <= LEVELS
    return (reference, distortion, level) if known else None


def distortion_parts(numbers: Indices) -> dict[str, Subset]:
    """Group the ratings of each distortion (`distortion_07`) and of each level (`level_3`), clustered by reference.

    Args:
        numbers: Numbers of the reference, the distortion and the level of each rating, (N, 3).
    """
    named = {f"distortion_{number:02d}": numbers[:, 1] == number for number in np.unique(numbers[:, 1])}
    named |= {f"level_{number}": numbers[:, 2] == number for number in np.unique(numbers[:, 2])}
    return {name: Subset(name, np.flatnonzero(mask), numbers[mask, :1]) for name, mask in named.items()}


class FilesInAnyCase:
    """The files of a folder, found by their published names in whatever letter case they are there.

    Args:
        root: Root of the data set.
        part: Folder below it.

    Raises:
        DataError: If the folder is missing.
    """

    def __init__(self, root: Path, part: str) -> None:
        self._folder, self._part = root / part, part
        if not self._folder.is_dir():
            raise DataError(f"{self._folder} is missing: --data-root must name the folder that holds it")
        self._names: dict[str, list[str]] = {}
        for name in sorted(entry.name for entry in self._folder.iterdir()):
            self._names.setdefault(name.lower(), []).append(name)
        alike = [names for names in self._names.values() if len(names) > 1]
        if alike:
            more = f", and {len(alike) - 1:,} more such names" if len(alike) > 1 else ""
            warnings.warn(
                f"{self._folder} holds {' and '.join(alike[0])}, whose names differ in letter case only{more}: the "
                "published spelling is taken",
                AlignbenchWarning,
                stacklevel=2,
            )

    def path(self, name: str) -> str:
        """Return the path of a file relative to the root, `name` itself before other letter case.

        Args:
            name: The name as it was published; a file that is not there keeps its place under it.

        Raises:
            DataError: If several have that name in other letter case only, so that none is the published one.
        """
        found = self._names.get(name.lower(), [name])
        if name in found:
            return f"{self._part}/{name}"
        if len(found) > 1:
            both = " and ".join(found)
            raise DataError(f"{self._folder} holds {both} and no {name}: leave the one that was published")
        return f"{self._part}/{found[0]}"
