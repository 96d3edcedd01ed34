"""Which row of features belongs to which picture of a data set: by path, then by file name, then by concept."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alignbench.arrays import Indices
from alignbench.errors import DataError
from alignbench.extraction.feature_forms import few

Concept = Callable[[str], str]


@dataclass(frozen=True)
class MatchedRows:
    """The row of each picture.

    Attributes:
        rows: The row of each picture, (pictures,).
        by: What they were matched by: `path`, `file name` or `concept`.
        others: How many rows belong to no picture.
    """

    rows: Indices
    by: str
    others: int


@dataclass(frozen=True)
class Matching:
    """What one way of matching comes to: the rows of each picture, in the order of the pictures."""

    by: str
    found: Sequence[Sequence[int]]

    @property
    def fits(self) -> bool:
        """Whether each picture has one row."""
        return all(len(rows) == 1 for rows in self.found)

    @property
    def matched(self) -> int:
        """How many pictures have a row, or several."""
        return sum(bool(rows) for rows in self.found)

    def rows(self) -> Indices:
        """Return the row of each picture, (pictures,), where each has one."""
        return np.array([row for (row,) in self.found], dtype=np.int64)

    def lacking(self, pictures: Sequence[str]) -> list[str]:
        """Return the pictures that have no row."""
        return [picture for picture, rows in zip(pictures, self.found, strict=True) if not rows]


def match_rows(
    about: str, names: Sequence[str], pictures: Sequence[str], dataset: str, concept: Concept | None = None
) -> MatchedRows:
    """Find the row of each picture; one way of matching serves for all of them.

    Ways are tried in this order: a row's name is the path of the picture relative to the data root; it ends in that
    path; its last part is the name of the picture's file; it is the picture's concept.

    Args:
        about: What holds the features, for messages.
        names: The name of each row, no two of them alike.
        pictures: Paths of the pictures relative to the data root.
        dataset: Name of the data set, for messages.
        concept: Gives the concept of a picture, for a data set with one picture a concept.

    Raises:
        DataError: If no way gives each picture one row of its own; says how far the best one gets, with examples.
    """
    best = best_matching(names, pictures, concept)
    if not best.fits:
        raise DataError(_said(about, names, pictures, dataset, best))
    return MatchedRows(best.rows(), best.by, len(names) - len(pictures))


def best_matching(names: Sequence[str], pictures: Sequence[str], concept: Concept | None = None) -> Matching:
    """Return the first way of matching that gives each picture one row, or else the one that gets furthest.

    Args:
        names: The name of each row.
        pictures: Paths of the pictures.
        concept: See `match_rows`.
    """
    rows, wanted = [_plain(name) for name in names], [_plain(picture) for picture in pictures]
    attempts: list[Matching] = []
    for by, of_rows, of_pictures in _ways(rows, wanted, concept):
        attempt = _attempt(by, of_rows, of_pictures)
        if attempt.fits:
            return attempt
        attempts.append(attempt)
    return max(attempts, key=lambda attempt: attempt.matched)


def _plain(name: str) -> str:
    """A name as it is compared: with slashes, and each accent in its letter, which macOS takes apart."""
    return unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")


def _ways(
    rows: Sequence[str], pictures: Sequence[str], concept: Concept | None
) -> Sequence[tuple[str, Sequence[str], Sequence[str]]]:
    """Ways of matching: what it is called, and the key of each row and of each picture."""
    there = set(pictures)
    last = [name.rpartition("/")[2] for name in rows]
    ways = [
        ("path", rows, pictures),
        ("path", [_ending(name, there) for name in rows], pictures),
        ("file name", last, [picture.rpartition("/")[2] for picture in pictures]),
    ]
    if concept is not None:
        ways.append(("concept", rows, [concept(picture) for picture in pictures]))
    return ways


def _ending(name: str, there: set[str]) -> str:
    """The longest end of a path that is a picture's; the path itself if none is."""
    parts = name.split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in there), name)


def _attempt(by: str, rows: Sequence[str], pictures: Sequence[str]) -> Matching:
    places: dict[str, list[int]] = {}
    for row, key in enumerate(rows):
        places.setdefault(key, []).append(row)
    attempt = Matching(by, [places.get(key, []) for key in pictures])
    # two pictures of one file name cannot be told apart by it, even where only one row has that name
    return attempt if len(set(pictures)) == len(pictures) else Matching(by, [[] for _ in pictures])


def _said(about: str, names: Sequence[str], pictures: Sequence[str], dataset: str, best: Matching) -> str:
    """Say what keeps the best way from fitting."""
    total = f"{len(pictures):,} pictures of {dataset}"
    lacking = best.lacking(pictures)
    if len(lacking) == len(pictures):
        return (
            f"{about} has a row for none of the {total}: rows are called {few(names)}, and pictures {few(pictures)}; "
            "name each row by its picture's path below the data root"
        )
    if lacking:
        taken = {row for rows in best.found for row in rows}
        others = [name for row, name in enumerate(names) if row not in taken]
        called = f"; other rows are called {few(others)}" if others else ""
        return f"{about} has no row for {len(lacking):,} of the {total} by {best.by} ({few(lacking)}): add them{called}"
    doubled = [
        f"{picture}: {few([names[row] for row in rows])}"
        for picture, rows in zip(pictures, best.found, strict=True)
        if len(rows) > 1
    ]
    return (
        f"{about} has several rows for {len(doubled):,} of the {total} by {best.by} ({few(doubled)}): name each row "
        "by its picture's path below the data root"
    )
