"""Pictures that are made on demand, and random graphs of pairs of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Scenery:
    """So many smooth pictures, each known by its number."""

    count: int
    first: int = 0

    @property
    def names(self) -> Sequence[str]:
        return [f"scene {number}" for number in range(self.first, self.first + self.count)]

    def open(self, index: int) -> Image.Image:
        coarse = np.random.default_rng(self.first + index).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((40, 32), Image.Resampling.BICUBIC)

    def select(self, indices: Indices) -> "Scenery":
        """Some that follow each other."""
        assert (np.diff(indices) == 1).all()
        return Scenery(len(indices), self.first + int(indices[0]))

    def identities(self) -> list[str]:
        return list(self.names)


def random_graph(seed: int, images: int = 14) -> Indices:
    """Distinct unordered pairs that name every image, of one component or several, (P, 2)."""
    rng = np.random.default_rng(seed)
    ends = {frozenset(map(int, rng.choice(images, 2, replace=False))) for _ in range(int(rng.integers(3, 60)))}
    for image in set(range(images)) - set().union(*ends):
        ends.add(frozenset((image, (image + 1) % images)))
    pairs = np.array([sorted(pair) for pair in ends])
    return rng.permutation(np.where(rng.random((len(pairs), 1)) < 0.5, pairs, pairs[:, ::-1]))
