"""The baseline of scores: picked texts that are dealt to heads anew, so that no head has a subject of its own."""

from __future__ import annotations

from typing import Final

import numpy as np

from alignbench.arrays import Indices
from alignbench.errors import UsageError

_MOST: Final = 1_000_000


def deal(picks: Indices, permutations: int, seed: int) -> Indices:
    """Deal all picks of all heads anew: each head has as many as before, at the same places.

    Args:
        picks: Rows of texts, -1 where there is none, (heads, k).
        permutations: How often.
        seed: Seed of the generator.

    Returns:
        Numbers of picks (head x k + place), -1 where there is none, (permutations, heads, k).

    Raises:
        UsageError: If permutations or seed are below 0.
    """
    for option, number in (("--permutations", permutations), ("--seed", seed)):
        if not 0 <= number <= _MOST:
            raise UsageError(f"{option} {number}: give from 0 to {_MOST:,}")
    rng = np.random.default_rng(seed)
    held = np.flatnonzero(picks.ravel() >= 0)
    dealt = np.full((permutations, picks.size), -1, dtype=np.int64)
    for row in dealt:
        row[held] = rng.permutation(held)
    return dealt.reshape(permutations, *picks.shape)


def shuffled_labels(labels: Indices, permutations: int, seed: int) -> Indices:
    """Give the labels of heads to heads anew, (permutations, heads).

    Args:
        labels: Number of each head's label, -1 where there is none, (heads,).
        permutations: How often.
        seed: Seed of the generator.
    """
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(labels) for _ in range(permutations)]).reshape(permutations, len(labels))
