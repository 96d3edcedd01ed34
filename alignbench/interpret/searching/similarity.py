"""How much contributions of heads are like each other, or say of a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError, unknown

MEASURES: Final = ("dot", "cosine", "centred")
_BLOCK: Final = 512  # rows in float64 that stay in a core's own cache
Rows = NDArray[np.float32] | Floats


@dataclass(frozen=True, eq=False)
class RowLengths:
    """What cosines with contributions are divided by, whatever they are compared with.

    Attributes:
        mean: The mean that is taken off them, (d'); none where none is.
        lengths: Their lengths, (n,).
    """

    mean: Floats | None
    lengths: Floats


def check_measure(measure: str) -> None:
    """Check that there is such a measure.

    Raises:
        UsageError: If there is not; names the option.
    """
    if measure not in MEASURES:
        raise unknown("--measure", measure, MEASURES)


def check_count(count: int | None) -> None:
    """Check how many are asked for; none is the default.

    Raises:
        UsageError: If it is less than one; names the option.
    """
    if count is not None and count < 1:
        raise UsageError(f"--count {count}: give 1 or more")


def row_lengths(rows: Rows, measure: str) -> RowLengths:
    """Work out the lengths of contributions for a cosine.

    Args:
        rows: Contributions, (n, d').
        measure: `cosine`, or `centred`.
    """
    mean = _mean(rows) if measure == "centred" else None
    squares = [np.einsum("nd,nd->n", wide, wide) for _, wide in _blocks(rows, mean)]
    return RowLengths(mean, np.sqrt(np.concatenate(squares)))


def similarities(
    rows: Rows, query: Rows, measure: str = "dot", is_text: bool = False, known: RowLengths | None = None
) -> Floats:
    """Compare contributions with another, or with a text.

    Args:
        rows: Contributions, (n, d').
        query: A contribution, or the embedding of a text, (d').
        measure: `dot` for the raw product, `cosine`, or `centred` for the cosine of contributions less the mean of
            `rows`. A text is not centred, as that mean is none of texts.
        is_text: Whether the query is a text.
        known: The `row_lengths` of this measure, where they are known.

    Returns:
        (n,) float64; a cosine with what has no direction is 0.
    """
    asked = query.astype(np.float64)
    if measure == "dot":
        return _products(rows, None, asked)
    known = known or row_lengths(rows, measure)
    if known.mean is not None and not is_text:
        asked = asked - known.mean
    return _cosines(_products(rows, known.mean, asked), known.lengths * np.linalg.norm(asked))


def similarities_of_pairs(rows: Rows, pairs: Indices, measure: str = "dot") -> Floats:
    """Compare contributions pair by pair.

    Args:
        rows: Contributions, (n, d').
        pairs: Which of them are compared, (P, 2).
        measure: See `similarities`.

    Returns:
        (P,) float64.
    """
    mean = _mean(rows) if measure == "centred" else None
    products, lengths = np.empty(len(pairs)), np.empty(len(pairs))
    for start in range(0, len(pairs), _BLOCK):
        part = slice(start, start + _BLOCK)
        first, second = (_wide(rows[ends], mean) for ends in pairs[part].T)
        products[part] = np.einsum("nd,nd->n", first, second)
        if measure != "dot":
            squares = (np.einsum("nd,nd->n", each, each) for each in (first, second))
            lengths[part] = np.prod([np.sqrt(each) for each in squares], axis=0)
    return products if measure == "dot" else _cosines(products, lengths)


def _mean(rows: Rows) -> Floats:
    """The mean of contributions, (d'), in float64."""
    return np.asarray(rows.mean(axis=0, dtype=np.float64))


def _products(rows: Rows, mean: Floats | None, asked: Floats) -> Floats:
    """The products of all contributions, less their mean if there is one, with a vector, (n,)."""
    products = np.empty(len(rows))
    for part, wide in _blocks(rows, mean):
        np.matmul(wide, asked, out=products[part])
    return products


def _blocks(rows: Rows, mean: Floats | None) -> Iterator[tuple[slice, Floats]]:
    """Go through contributions, some at a time, in float64 and less their mean if there is one."""
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        yield part, _wide(rows[part], mean)


def _wide(rows: Rows, mean: Floats | None) -> Floats:
    """Some contributions in float64, less their mean if there is one."""
    wide = rows.astype(np.float64)
    return wide if mean is None else np.asarray(np.subtract(wide, mean, out=wide))


def _cosines(products: Floats, lengths: Floats) -> Floats:
    return np.asarray(np.divide(products, lengths, out=np.zeros(len(products)), where=lengths > 0))


def nearest(values: Floats, count: int, without: int | None = None) -> Indices:
    """Return the numbers of the highest values, from the highest; among equal ones the lowest number comes first.

    Args:
        values: Similarities, (n,).
        count: How many at most.
        without: A number that is left out: that of the picture itself.
    """
    order = np.argsort(-values, kind="stable")
    return order[order != without][:count] if without is not None else order[:count]
