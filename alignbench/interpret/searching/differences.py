"""What another model or alignment changes about the pictures that heads find near: neighbours on two sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import DataError, UsageError
from alignbench.interpret.components import Component, OutputParts, PartCurve
from alignbench.interpret.head_names import Head
from alignbench.interpret.searching.neighbours import HeadRows, Neighbours, mean_similarities, nearest_of
from alignbench.interpret.store import HeadStore


@dataclass(frozen=True, eq=False)
class Compared:
    """Neighbours of a picture on two sides.

    Attributes:
        heads: The heads of the first side, together.
        others: Those of the other side.
        before: The neighbours on the first side.
        after: Those on the other.
        shared: Share of the neighbours that both sides have.
        correlation: Rank correlation (Spearman) of the similarities to all other pictures on both sides; NaN where
            those of a side are all equal.
    """

    heads: tuple[Head, ...]
    others: tuple[Head, ...]
    before: Neighbours
    after: Neighbours
    shared: float
    correlation: float


def compare_neighbours(
    before: Iterable[HeadRows], after: Iterable[HeadRows], count: int, measure: str, picture: int
) -> Compared:
    """Compare the neighbours of a picture that several heads together find with those that others find.

    Args:
        before: The heads of the first side; the mean of their similarities counts.
        after: Those of the other, with contributions to the same pictures in the same order.
        count: Number of neighbours.
        measure: See `similarities`.
        picture: Number of the picture, which is left out.

    Raises:
        UsageError: If the sides are of unlike many pictures, or of no other than the one that is asked about.
    """
    heads, mine = mean_similarities(before, measure)
    others, theirs = mean_similarities(after, measure)
    if len(mine) != len(theirs) or len(mine) < 2:
        raise UsageError(f"{len(mine)} pictures are compared with {len(theirs)}: give the same, 2 or more")
    first, second = nearest_of(heads, mine, count, picture), nearest_of(others, theirs, count, picture)
    shared = len(np.intersect1d(first.pictures, second.pictures)) / len(first.pictures)
    correlation = _rank_correlation(np.delete(mine, picture), np.delete(theirs, picture))
    return Compared(heads, others, first, second, shared, correlation)


def _rank_correlation(mine: Floats, theirs: Floats) -> float:
    from scipy.stats import rankdata

    first, second = (ranks - ranks.mean() for ranks in map(rankdata, (mine, theirs)))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > 0 else float("nan")


def check_same_pictures(store: HeadStore, other: HeadStore) -> None:
    """Refuse to compare stores of unlike pictures.

    Raises:
        DataError: If they do not hold the same pictures in the same order, by name and content.
    """
    same = store.record["settings"].get("images") == other.record["settings"].get("images")
    if store.names != other.names or not same:
        raise DataError(
            f"{store.folder} and {other.folder} are not of the same pictures: decompose one folder with both models"
        )


def part_rows(parts: OutputParts, heads: Sequence[Head], picture: int) -> Iterator[HeadRows]:
    """Give what heads add to an output, in the units of that, as rows to compare.

    Args:
        parts: The parts of the output, through a transform or not.
        heads: The heads.
        picture: Number of the picture that is asked about.
    """
    for head in heads:
        rows = parts.features(PartCurve(Component("head", *head)))
        yield HeadRows(head, rows, rows[picture])
