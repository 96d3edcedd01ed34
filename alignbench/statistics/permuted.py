"""Sums of products under permutations within groups: what many scores would be if one of the two sides meant nothing.

A score is s = sum_i a_i b_i, a correlation of ranks for example. With b permuted within groups g of n_g members its
mean is sum_g n_g mean(a_g) mean(b_g), and its variance sum_g S(a_g) S(b_g) / (n_g - 1), where S is the sum of squares
about the mean. The largest of many scores, each over its own mean and standard deviation, is drawn (max-T; Westfall and
Young, 1993), in the same permutations for all, so that scores may depend on each other in any way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.statistics.drawn_maxima import p_values

_AT_ONCE: Final = 4_000_000  # permuted numbers that are held together
_ROUNDING: Final = 1e-5  # t that differ by less are equal: draws are summed in float32
_NONE: Final = 1e-12  # share of a sum of squares that is rounding


@dataclass(frozen=True, eq=False)
class Permuted:
    """Sums of products, and what is known of them under permutations.

    Attributes:
        t: The sums over mean and standard deviation; not a number where no permutation changes anything.
        largest: The largest t of all of them in each permutation, (draws,).
    """

    t: Floats
    largest: Floats

    @property
    def p(self) -> Floats:
        """One-sided p-values of the sums, corrected for all of them."""
        reached = self.t - _ROUNDING * (1.0 + np.abs(self.t))
        return p_values(reached, self.largest, np.inf, int(np.count_nonzero(np.isfinite(self.t))))


def permutations(groups: Indices, draws: int, seed: int) -> Iterator[Indices]:
    """Draw permutations within groups, a few at a time, (some, n).

    Args:
        groups: Group of each member, (n,), from 0.
        draws: How many.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    place = np.argsort(groups, kind="stable")
    step = max(1, _AT_ONCE // max(1, len(groups)))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        found = np.empty((count, len(groups)), dtype=np.int64)
        # whole numbers of groups and fractions in one key: sorted, the members of a group stay where its members are
        found[:, place] = np.argsort(groups + rng.random((count, len(groups))), axis=1)
        yield found


def permuted_within(rows: Floats, said: Floats, groups: Indices, draws: int, seed: int) -> Permuted:
    """Sums of products under permutations within groups.

    Args:
        rows: What is scored, (rows, n), all finite.
        said: What each row is multiplied with, and is permuted, (n,); or several such, which are permuted together,
            (several, n). All finite.
        groups: Within which it is permuted, (n,), whole numbers from 0 without gaps.
        draws: How many permutations.
        seed: Seed of the permutations.

    Returns:
        Sums of products with each, (rows,) or (several, rows), and their largest t.
    """
    size, order = np.bincount(groups), np.argsort(groups, kind="stable")
    starts = np.cumsum(size) - size

    def centred(values: Floats) -> Floats:
        return values - (np.add.reduceat(values[..., order], starts, axis=-1) / size)[..., groups]

    def spread(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values[..., order] ** 2, starts, axis=-1))

    one, other = centred(rows), centred(said)
    variance = (spread(other) / np.maximum(size - 1, 1)) @ spread(one).T
    most = np.multiply.outer((said**2).sum(axis=-1), (rows**2).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(np.where(variance > _NONE**2 * most, variance, np.nan))
    short, brief = np.ascontiguousarray(one.T, dtype=np.float32), other.astype(np.float32)
    known = np.isfinite(error)
    largest = [
        np.where(known, np.moveaxis(brief[..., drawn] @ short, -2, 0) / error, -np.inf)
        .reshape(len(drawn), -1)
        .max(axis=1, initial=-np.inf)
        for drawn in permutations(groups, draws, seed)
    ]
    return Permuted(other @ one.T / error, np.concatenate(largest))
