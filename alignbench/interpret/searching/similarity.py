"""How much contributions of heads are like each other, or say of a text."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices

MEASURES: Final = ("dot", "cosine", "centred")
Rows = NDArray[np.float32] | Floats


def similarities(rows: Rows, query: Rows, measure: str = "dot", is_text: bool = False) -> Floats:
    """Compare contributions with another, or with a text.

    Args:
        rows: Contributions, (n, d').
        query: A contribution, or the embedding of a text, (d').
        measure: `dot` for the raw product, `cosine`, or `centred` for the cosine of contributions less the mean of
            `rows`. A text is not centred, as that mean is none of texts.
        is_text: Whether the query is a text.

    Returns:
        (n,) float64; a cosine with what has no direction is 0.
    """
    wide, asked = rows.astype(np.float64), query.astype(np.float64)
    if measure == "dot":
        return np.asarray(wide @ asked)
    if measure == "centred":
        mean = wide.mean(axis=0)
        wide, asked = wide - mean, asked if is_text else asked - mean
    lengths = np.linalg.norm(wide, axis=1) * np.linalg.norm(asked)
    return np.asarray(np.divide(wide @ asked, lengths, out=np.zeros(len(wide)), where=lengths > 0))


def nearest(values: Floats, count: int, without: int | None = None) -> Indices:
    """Return the numbers of the highest values, from the highest; among equal ones the lowest number comes first.

    Args:
        values: Similarities, (n,).
        count: How many at most.
        without: A number that is left out: that of the picture itself.
    """
    order = np.argsort(-values, kind="stable")
    return order[order != without][:count] if without is not None else order[:count]
