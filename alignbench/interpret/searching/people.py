"""Pairs of pictures that people find alike, and how alike each head finds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgments import Judgments, Kind, unique_pairs
from alignbench.errors import DataError, UsageError
from alignbench.interpret.head_names import Head
from alignbench.interpret.searching.similarity import Rows, similarities_of_pairs

_UNITS: Final[dict[Kind, str]] = {
    "rating": "mean rating",
    "choice": "share of the choices in which this pair was chosen",
    "preference": "share of the people who preferred it",
}


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike people find pairs of pictures of a store.

    Attributes:
        pairs: Numbers of the pictures, (P, 2), each pair once, in the order in which they were judged.
        value: The more, the more alike: see `unit`, (P,).
        count: Judgments of each pair, (P,).
        unit: What `value` is.
        judgments: How many judgments these are.
        left_out: How many were left out, as the store lacks a picture of them.
    """

    pairs: Indices
    value: Floats
    count: Indices
    unit: str
    judgments: int
    left_out: int


@dataclass(frozen=True, eq=False)
class AlikePairs:
    """The pairs that people find most alike, and what heads make of them.

    Attributes:
        heads: The heads, together.
        first: Numbers of the first pictures, the most alike first, (k,).
        second: Those of the second, (k,).
        people: How alike people find them, (k,).
        counts: How many judgments that is of, (k,).
        values: How alike the heads find them, (k,).
        ranks: The share of judged pairs, in percent, that the heads find less alike; half of those as alike count,
            (k,).
    """

    heads: tuple[Head, ...]
    first: Indices
    second: Indices
    people: Floats
    counts: Indices
    values: Floats
    ranks: Floats


def likeness(judgments: Judgments, names: Sequence[str]) -> Likeness:
    """Work out how alike people find pairs of pictures, from every judgment that some subset holds.

    A rating is averaged over the judgments of a pair. Of a choice each option is a pair that was chosen or not. Of a
    preference each of both pairs has its share of the people, who count alike where their number is known.

    Args:
        judgments: What people said.
        names: Names of the pictures of a store.

    Raises:
        DataError: If no judgment is of these pictures alone.
    """
    place = {name: number for number, name in enumerate(names)}
    rows = np.array([place.get(name, -1) for name in judgments.images.names], dtype=np.int64)
    ends, evaluated = rows[judgments.pairs], judgments.evaluated()
    judged = judgments.judged[evaluated]
    is_there = np.asarray((ends >= 0).all(axis=1))[judged].all(axis=1)
    if not is_there.any():
        raise DataError(
            f"these contributions hold no pictures that were judged in {judgments.dataset}: decompose its own "
            f"pictures by `alignbench interpret align --dataset {judgments.dataset}`"
        )
    judged, said = judged[is_there], judgments.human[evaluated][is_there]
    people = np.ones(len(said))
    if judgments.kind == "rating":
        values = said[:, None]
    elif judgments.kind == "choice":
        values = (np.arange(judged.shape[1]) == said[:, None]).astype(np.float64)
    else:
        values = np.stack([1.0 - said, said], axis=1)
        if judgments.votes is not None:
            people = judgments.votes[evaluated][is_there].astype(np.float64)
    pairs, numbers = unique_pairs(ends[judged])  # folds may hold one pair twice
    number = numbers.ravel()
    weights = np.repeat(people, judged.shape[1])
    total = np.bincount(number, weights=weights)
    mean = np.bincount(number, weights=weights * values.ravel()) / total
    kept = pairs[:, 0] != pairs[:, 1]  # a picture is like itself
    counts = np.bincount(number).astype(np.int64)
    return Likeness(
        *(pairs[kept], mean[kept], counts[kept], _UNITS[judgments.kind]),
        judgments=len(said),
        left_out=len(evaluated) - len(said),
    )


def people_pairs(
    heads: Iterable[tuple[Head, Rows]],
    alike: Likeness,
    count: int = 8,
    measure: str = "dot",
    picture: int | None = None,
) -> list[AlikePairs]:
    """Find the pairs that people find most alike, and say of each head how alike it finds them.

    Among pairs that people find equally alike those come first that were judged more often, and then in the order in
    which they were judged.

    Args:
        heads: Heads, and their contributions to all pictures of the store, (n, d').
        alike: How alike people find pairs.
        count: Number of pairs.
        measure: See `similarities`.
        picture: Number of a picture of which all shown pairs are; ranks are among all judged pairs nevertheless.

    Raises:
        UsageError: If no pair of this picture was judged.
    """
    from scipy.stats import rankdata

    shown = np.arange(len(alike.pairs))
    if picture is not None:
        shown = np.flatnonzero((alike.pairs == picture).any(axis=1))
        if not len(shown):
            raise UsageError("no pair of this picture was judged: name another by --picture, or leave it out")
    best = shown[np.lexsort((shown, -alike.count[shown], -alike.value[shown]))][:count]
    first, second = alike.pairs[best].T
    found = []
    for head, rows in heads:
        values = similarities_of_pairs(rows, alike.pairs, measure)
        ranks = 100.0 * (rankdata(values) - 0.5) / len(values)
        told = alike.value[best], alike.count[best], values[best], ranks[best]
        found.append(AlikePairs((head,), first, second, *told))
    return found
