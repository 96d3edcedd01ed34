"""Which triplets a step of training sees: a pure function of the seed and the step, and of nothing that ran before.

Each epoch has a permutation of its own, a Feistel network whose keys come from the seed and the epoch (Black and
Rogaway, "Ciphers with arbitrary finite domains", 2002): any place in it is found at once, without a list of millions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices
from alignbench.errors import UsageError

_ROUNDS: Final = 8
_FEWEST: Final = 2  # bits of a half: fewer would leave few permutations of few triplets
_MIX: Final = tuple(np.uint64(number) for number in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # of splitmix64
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class TripletOrder:
    """The order of triplets in training: every one of them once an epoch.

    Batches follow one another without a gap; one may end an epoch and begin the next.

    Attributes:
        triplets: How many there are.
        batch: Triplets of a step, of all processes together.
        seed: Seed of the order.
    """

    triplets: int
    batch: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.triplets < 1 or self.batch < 1:
            raise UsageError(f"{self.triplets:,} triplets in batches of {self.batch:,}: there must be one of each")

    def rows(self, step: int, part: int = 0, parts: int = 1) -> Indices:
        """Return which triplets a step sees.

        Args:
            step: The step, from 0.
            part: A part of its batch, which takes every `parts`-th of them; parts are disjoint.
            parts: How many parts a batch has; they are equally large.

        Returns:
            Rows of the triplets, (batch / parts,).

        Raises:
            UsageError: If the batch cannot be cut into so many.
        """
        if self.batch % parts:
            raise UsageError(
                f"a batch of {self.batch:,} triplets cannot be cut into {parts} equal parts: choose another "
                "--batch-triplets"
            )
        first = step * self.batch
        places = np.arange(first + part, first + self.batch, parts, dtype=np.int64)
        rows = np.empty_like(places)
        epochs = places // self.triplets
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            of_epoch = epochs == epoch
            rows[of_epoch] = _permuted(places[of_epoch] % self.triplets, self.triplets, _keys(self.seed, epoch))
        return rows


def _keys(seed: int, epoch: int) -> Words:
    """A key for each round."""
    digest = hashlib.shake_256(f"triplets {seed} {epoch}".encode()).digest(8 * _ROUNDS)
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _permuted(places: Indices, count: int, keys: Words) -> Indices:
    """Where a permutation of 0 .. count - 1 has some places: what falls outside is sent on until it is inside."""
    half = np.uint64(max(_FEWEST, ((count - 1).bit_length() + 1) // 2))
    found = _encrypted(places.astype(np.uint64), half, keys)
    while (outside := found >= count).any():
        found[outside] = _encrypted(found[outside], half, keys)
    return found.astype(np.int64)


def _encrypted(numbers: Words, half: np.uint64, keys: Words) -> Words:
    """A permutation of all numbers of twice `half` bits."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & mask
    for key in keys:
        left, right = right, left ^ (_mixed(right + key) & mask)
    return (left << half) | right


def _mixed(words: Words) -> Words:
    """The last steps of splitmix64 (Steele, Lea and Flood, 2014): all bits of a word depend on all others."""
    words = (words ^ (words >> np.uint64(30))) * _MIX[0]
    words = (words ^ (words >> np.uint64(27))) * _MIX[1]
    return words ^ (words >> np.uint64(31))
