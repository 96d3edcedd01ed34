"""Rows that are there a second time: behind the others, in their order or the reverse of it, or each in a row.

People judge a triplet more than once, so that rows repeat in sound files too. A copy is told from those by its order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices

_FEWEST_RUNS: Final = 20  # of equal rows: the lengths of fewer can have a common factor by chance
_FEWEST: Final = 5  # distinct rows: fewer can follow again by chance
_PRIME: Final = np.uint64(2_147_483_647)  # products of two numbers below it fit into 64 bits
_BASE: Final = 1_103_515_245
_RADIX: Final = np.uint64(69_069_069)


@dataclass(frozen=True)
class RowCopy:
    """Rows at the end of a file that are a copy of earlier ones.

    Attributes:
        start: Number of the first row of the copy, from 0.
        backwards: Whether they follow in the reverse of their order.
    """

    start: int
    backwards: bool


def find_copy(rows: Indices) -> RowCopy | None:
    """Find out whether the rows before some place follow once more behind it, all or at least half as many.

    The first rows in their order, however often, or the last ones backwards. Rows of fewer than five kinds are not
    taken for a copy.

    Args:
        rows: Whole numbers from 0, (N, columns) with N > 0.
    """
    total = len(rows)
    for backwards, again in ((False, rows), (True, rows[::-1])):
        overlap = _overlap(rows, again, 0 if backwards else 1)
        start = total - (overlap // 2 if backwards else overlap)
        if 2 * (total - start) >= start and _has_kinds(rows[start:], _FEWEST):
            return RowCopy(start, backwards)
    return None


def times_in_a_row(rows: Indices) -> int:
    """Find out how many times every row stands in a row: the greatest common factor of the lengths of all runs.

    In a sorted file equal judgments stand together too, but not all as often: of twenty runs or more, whose lengths
    follow from what people said, one in a million files has a common factor. Of fewer runs the answer is 1.

    Args:
        rows: Numbers, (N, columns) with N > 0.
    """
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)])
    return int(np.gcd.reduce(np.diff(starts, append=len(rows)))) if len(starts) >= _FEWEST_RUNS else 1


def _has_kinds(rows: Indices, count: int) -> bool:
    for _ in range(count):
        if not len(rows):
            return False
        rows = rows[(rows != rows[0]).any(axis=1)]
    return True


def _overlap(first: Indices, second: Indices, earliest: int) -> int:
    """How many rows at the end of one array are those at the start of another, which is as long: the most there are.

    Places at which both end rows agree are few in most files. All of these are tried in linear time by polynomial
    hashes of what is before a place: of the rows behind it, the hash is the difference to that of the whole. What
    agrees by chance is dropped.

    Args:
        first: The rows whose end is looked at, (N, columns).
        second: The rows whose start is looked at, (N, columns).
        earliest: The first place to try; where the copy would be short, none is tried.
    """
    total = len(first)
    tried = slice(earliest, 2 * total // 3 + 1)
    starts = np.flatnonzero((first[tried] == second[0]).all(axis=1) & (second[::-1][tried] == first[-1]).all(axis=1))
    starts += earliest
    if not len(starts):
        return 0
    powers = _powers(total + 1)
    before_first, before_second = (_hashes(rows, powers) for rows in (first, second))
    behind = (before_first[-1] + _PRIME - before_first[starts]) % _PRIME
    starts = starts[behind == powers[starts] * before_second[total - starts] % _PRIME]
    return next((total - at for at in starts.tolist() if np.array_equal(first[at:], second[: total - at])), 0)


def _hashes(rows: Indices, powers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of the rows before each place, (N + 1,)."""
    terms = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        terms = (terms * _RADIX + column.astype(np.uint64) + np.uint64(1)) % _PRIME
    hashes = np.zeros(len(rows) + 1, dtype=np.uint64)
    np.cumsum(terms * powers[:-1] % _PRIME, out=hashes[1:])  # below 2^31 each, so that 2^33 of them fit
    return hashes % _PRIME


def _powers(count: int) -> NDArray[np.uint64]:
    powers = np.ones(count, dtype=np.uint64)
    known = 1
    while known < count:
        step = np.uint64(pow(_BASE, known, int(_PRIME)))
        powers[known : 2 * known] = powers[: min(known, count - known)] * step % _PRIME
        known *= 2
    return powers
