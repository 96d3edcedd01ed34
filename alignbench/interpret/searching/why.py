"""Why heads find a picture near: how much of a similarity each text takes up that the heads were found to say.

A head's picked texts have orthonormal directions e_1 ... e_k, and what the contributions q and x of two pictures have
in common splits exactly by them:

    q . x = sum_j (q . e_j) (x . e_j) + rest

A cosine is that divided by both lengths, and several heads together have the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import UsageError
from alignbench.interpret.head_names import Head, heads_named
from alignbench.interpret.searching.neighbours import HeadRows
from alignbench.interpret.searching.similarity import check_measure, row_lengths


@dataclass(frozen=True, eq=False)
class HeadTextDirections:
    """What the picked texts of a head stand for.

    Attributes:
        texts: The texts, in the order in which they were picked, k of them.
        directions: What each of them took out, orthonormal, (k, d').
    """

    texts: tuple[str, ...]
    directions: Floats


@dataclass(frozen=True)
class TextShare:
    """What a text of a head takes up of a similarity.

    Attributes:
        head: The head.
        pick: Number of the text among the picks of its head, from 1.
        text: The text.
        value: Its part of the similarity, in the similarity's unit; below 0 where the two sides differ in it.
    """

    head: Head
    pick: int
    text: str
    value: float


@dataclass(frozen=True)
class Why:
    """What a similarity is made of.

    Attributes:
        heads: The heads that it is by, together.
        value: The similarity, as the neighbour has it.
        shares: What each text takes up, the largest first, whatever its sign.
        rest: What no text takes up; with all shares it adds up to the similarity.
    """

    heads: tuple[Head, ...]
    value: float
    shares: tuple[TextShare, ...]
    rest: float


def why(
    heads: Iterable[HeadRows],
    neighbour: int,
    picks: Mapping[Head, HeadTextDirections],
    measure: str = "dot",
    is_text: bool = False,
) -> Why:
    """Split the similarity of a neighbour by the texts of the heads.

    Args:
        heads: The heads by which it was found, together.
        neighbour: Number of the picture that was found.
        picks: The texts of each head.
        measure: See `similarities`.
        is_text: Whether the query is a text.

    Raises:
        UsageError: If there is no such measure, no head, no such picture, or a head without texts.
    """
    check_measure(measure)
    named: list[Head] = []
    values: list[float] = []
    shares: list[TextShare] = []
    for each in heads:
        if each.head not in picks:
            raise UsageError(f"there are no texts of head {heads_named([each.head])}: give texts of all heads")
        said = picks[each.head]
        asked, found = _sides(each, neighbour, measure, is_text)
        parts = (said.directions @ asked) * (said.directions @ found)
        named.append(each.head)
        values.append(float(asked @ found))
        texts = enumerate(zip(said.texts, parts, strict=True), 1)
        shares += [TextShare(each.head, pick, text, float(part)) for pick, (text, part) in texts]
    if not named:
        raise UsageError("no head is given: name those by which the picture was found")
    count = len(named)
    value = sum(values) / count
    shares = [replace(each, value=each.value / count) for each in shares]
    shares.sort(key=lambda each: -abs(each.value))
    return Why(tuple(named), value, tuple(shares), value - sum(each.value for each in shares))


def _sides(each: HeadRows, neighbour: int, measure: str, is_text: bool) -> tuple[Floats, Floats]:
    """What is compared, (d') each, so that their product is the similarity."""
    if not 0 <= neighbour < len(each.rows):
        raise UsageError(f"there is no picture {neighbour}: they are counted from 0 to {len(each.rows) - 1}")
    asked, found = each.query.astype(np.float64), each.rows[neighbour].astype(np.float64)
    if measure == "dot":
        return asked, found
    mean = (each.known or row_lengths(each.rows, measure)).mean
    if mean is not None:
        asked, found = asked if is_text else asked - mean, found - mean
    length = float(np.linalg.norm(asked) * np.linalg.norm(found))
    return (asked / length if length > 0 else np.zeros_like(asked)), found
