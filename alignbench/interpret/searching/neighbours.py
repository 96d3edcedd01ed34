"""Pictures that heads find alike, and pictures of which heads say what a text says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.interpret.head_names import Head
from alignbench.interpret.searching.similarity import RowLengths, Rows, nearest, similarities


@dataclass(frozen=True)
class HeadRows:
    """The contributions of a head.

    Attributes:
        head: The head.
        rows: Its contributions to all pictures, (n, d').
        query: Its contribution to the picture that is asked about, (d'), or the embedding of a text.
        known: The lengths of its contributions by the measure, where they are known.
    """

    head: Head
    rows: Rows
    query: Rows
    known: RowLengths | None = None

    def similarities(self, measure: str, is_text: bool = False) -> Floats:
        """Compare the query with all contributions, see `similarities`."""
        return similarities(self.rows, self.query, measure, is_text, self.known)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest pictures.

    Attributes:
        heads: The heads that they were found by, together.
        pictures: Numbers of the pictures, the nearest first, (k,).
        values: Their similarities, (k,).
    """

    heads: tuple[Head, ...]
    pictures: Indices
    values: Floats


def property_neighbours(
    heads: Iterable[HeadRows], count: int = 4, measure: str = "dot", without: int | None = None
) -> Neighbours:
    """Find the neighbours of a picture by several heads together: by the mean of their similarities.

    Args:
        heads: The heads, such as those of a property.
        count: Number of neighbours.
        measure: See `similarities`.
        without: Number of the picture itself, which is left out.
    """
    return nearest_of(*mean_similarities(heads, measure), count, without)


def mean_similarities(heads: Iterable[HeadRows], measure: str = "dot") -> tuple[tuple[Head, ...], Floats]:
    """Compare a picture with all others by several heads together.

    Args:
        heads: The heads.
        measure: See `similarities`.

    Returns:
        The heads, and the mean of their similarities, (n,).
    """
    named: list[Head] = []
    total: Floats = np.zeros(0)
    for each in heads:
        found = each.similarities(measure)
        total = found if not named else total + found
        named.append(each.head)
    return tuple(named), total / len(named)


def picture_neighbours(
    heads: Iterable[HeadRows], count: int = 8, measure: str = "dot", without: int | None = None
) -> list[Neighbours]:
    """Find the neighbours of a picture by each head; arguments as of `property_neighbours`."""
    return [nearest_of((each.head,), each.similarities(measure), count, without) for each in heads]


def text_neighbours(heads: Iterable[HeadRows], count: int = 3, measure: str = "dot") -> list[Neighbours]:
    """Find the pictures of which each head says most what a text says.

    Args:
        heads: The heads; their queries are the embedding of the text.
        count: Number of neighbours.
        measure: See `similarities`.
    """
    found = ((each.head, each.similarities(measure, is_text=True)) for each in heads)
    return [nearest_of((head,), values, count, None) for head, values in found]


def nearest_of(heads: tuple[Head, ...], values: Floats, count: int, without: int | None) -> Neighbours:
    """Take the nearest pictures by similarities to all, (n,); arguments as of `nearest`."""
    pictures = nearest(values, count, without)
    return Neighbours(heads, pictures, values[pictures])
