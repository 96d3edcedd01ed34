"""Numbers for things that are named by indices, in time that is linear in how many there are."""

from __future__ import annotations

import numpy as np

from alignbench.arrays import Indices


def renumbered(indices: Indices, count: int) -> tuple[Indices, Indices]:
    """Find the things that some indices name, and number these afresh.

    Args:
        indices: Indices of any shape.
        count: How many things there are.

    Returns:
        The indices of the things that are named, ascending, and each given index as a place among these.
    """
    named = np.zeros(count, dtype=np.bool_)
    named[indices] = True
    if named.all():
        return np.arange(count), indices
    return np.flatnonzero(named), (np.cumsum(named) - 1)[indices]


def numbered_rows(rows: Indices) -> Indices:
    """Number the rows of a matrix from 0 in the order of first occurrence, (n,); equal rows share a number."""
    import pandas as pd  # imported here, as listing the data sets does not need it

    numbers: Indices = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        numbers, _ = pd.factorize(numbers * (int(column.max(initial=0)) + 1) + column)
    return numbers
