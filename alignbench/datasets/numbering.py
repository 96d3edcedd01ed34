"""Numbers for things that are named by indices, in time that grows with how many there are and not faster."""

from __future__ import annotations

import numpy as np

from alignbench.arrays import Indices


def renumbered(indices: Indices, count: int) -> tuple[Indices, Indices]:
    """Which of some things are named, ascending, and the indices as places among these.

    Args:
        indices: Indices of any shape.
        count: How many things there are.
    """
    named = np.zeros(count, dtype=np.bool_)
    named[indices] = True
    if named.all():
        return np.arange(count), indices
    return np.flatnonzero(named), (np.cumsum(named) - 1)[indices]


def numbered_rows(rows: Indices) -> Indices:
    """A number from 0 for each row of a matrix, (n,): equal where rows are, in the order of their first occurrence."""
    import pandas as pd  # only here: who lists data sets does without it

    numbers: Indices = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        numbers, _ = pd.factorize(numbers * (int(column.max(initial=0)) + 1) + column)
    return numbers
