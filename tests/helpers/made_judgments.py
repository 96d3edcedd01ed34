"""Judgments made in memory, of every form that they can have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alignbench.datasets.judgments import Judgments, Subset, unique_pairs

Indices = NDArray[np.int64]


def odd_one_out() -> Judgments:
    """Seven triplets of six images in two overlapping subsets; the fifth triplet is in none."""
    triplets = np.array([[0, 1, 2], [1, 0, 2], [3, 4, 5], [0, 4, 3], [5, 0, 1], [1, 2, 0], [4, 3, 5]])
    pairs, judged = unique_pairs(np.stack([triplets[:, [0, 1]], triplets[:, [0, 2]], triplets[:, [1, 2]]], axis=1))
    subsets = (
        Subset("first", np.array([5, 0, 1]), np.array([[10], [11], [12]])),
        Subset("second", np.array([2, 3, 6, 0]), np.array([[3, 4, 5], [0, 4, 3], [4, 3, 5], [0, 1, 2]])),
    )
    return Judgments(
        dataset="by hand",
        level="high",
        kind="choice",
        images=NamedImages(tuple("abcdef")),
        pairs=pairs,
        judged=judged,
        human=np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0]),
        ids=tuple(f"triplet {row}" for row in range(7)),
        subsets=subsets,
    )


def with_everything() -> Judgments:
    """The seven triplets with votes and two parts; the fifth, which is in no subset, calibrates."""
    parts = (
        Subset("votes_03", np.array([0, 2, 4, 6]), np.array([[0], [2], [4], [6]])),
        Subset("votes_09", np.array([4]), np.array([[4]])),
    )
    votes = np.array([3, 6, 3, 9, 3, 6, 3])
    return replace(odd_one_out(), parts=parts, votes=votes, calibration=np.array([4]))


@dataclass(frozen=True)
class NamedImages:
    """Pictures that are nothing but names."""

    names: tuple[str, ...]

    def open(self, index: int) -> Image.Image:
        return Image.new("RGB", (1, 1))

    def select(self, indices: Indices) -> NamedImages:
        return NamedImages(tuple(self.names[int(index)] for index in indices))

    def identities(self) -> list[str]:
        return [f"bytes of {name}" for name in self.names]
