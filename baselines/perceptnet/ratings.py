"""Rated pairs of pictures for training: read from any rating data set, split by reference, turned into distances."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alignbench import DataError, DataSet, Judgments, UsageError
from alignbench.datasets import DATASETS
from baselines.perceptnet import PERCEPTNET
from baselines.perceptnet.network import PerceptNet

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class RatedPairs:
    """Pairs of pictures with a rating each.

    Attributes:
        judgments: What people said.
        rows: Indices of the judgments, (n,).
        clusters: The reference of each judgment, (n,); pairs of one reference are never split.
        side: Side in pixels to which the data set's pictures are brought (PIL, bicubic); none for their native size.
    """

    judgments: Judgments
    rows: Indices
    clusters: Indices
    side: int | None

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, positions: Indices) -> RatedPairs:
        """Select the pairs at some positions, in that order."""
        return replace(self, rows=self.rows[positions], clusters=self.clusters[positions])

    def batches(self, size: int) -> Iterator[RatedPairs]:
        """Yield the pairs in this order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.some(np.arange(start, min(start + size, len(self))))

    @property
    def ratings(self) -> Tensor:
        """The ratings, (n,), float64."""
        return torch.from_numpy(self.judgments.human[self.rows].astype(np.float64))

    def distances(self, network: PerceptNet, device: str) -> Tensor:
        """Work out the distances of all pairs, (n,), float64, with their gradients.

        Raises:
            DataError: If a picture is damaged or too small, or the two of a pair differ in size.
        """
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        pictures = [self._pictures(int(row)) for row in self.rows]
        for position, (first, _) in enumerate(pictures):
            groups[first.shape].append(position)
        by_size = [
            network.distances(*(_stack([pictures[p][end] for p in positions], device) for end in (0, 1)))
            for positions in groups.values()
        ]
        order = np.concatenate(list(groups.values()))
        return torch.cat(by_size)[torch.from_numpy(np.argsort(order))]

    def _pictures(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images = self.judgments.images
        ends = self.judgments.pairs[self.judgments.judged[row, 0]].tolist()
        first, second = (np.asarray(self._sized(images.open(index)), dtype=np.uint8) for index in ends)
        names = [images.names[index] for index in ends]
        if first.shape != second.shape:
            raise DataError(f"{names[0]} and {names[1]} differ in size: give them one size, or leave the pair out")
        if min(first.shape[:2]) < PERCEPTNET.min_side:
            size = f"{first.shape[1]}x{first.shape[0]}"
            raise DataError(f"{names[0]} is {size} pixels, and PerceptNet needs at least {PERCEPTNET.min_side}")
        return first, second

    def _sized(self, image: Image.Image) -> Image.Image:
        return image if self.side is None else image.resize((self.side, self.side), Image.Resampling.BICUBIC)


def _stack(pictures: list[NDArray[np.uint8]], device: str) -> Tensor:
    """Stack pictures of one size as (n, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 255.0


def read_ratings(dataset: str, subset: str | None, root: Path | None) -> tuple[RatedPairs, str]:
    """Read the rated pairs of a data set; return them, and the fingerprint of what was read.

    Args:
        dataset: Name of a data set in alignbench's registry.
        subset: One of its subsets; none for its default.
        root: Its folder; none for a packaged set, or for `$ALIGNBENCH_DATA/<dataset>`.

    Raises:
        UsageError: If a name is unknown, or the data set holds no ratings.
        DataError: If data are missing or malformed.
    """
    data_set = DATASETS.load(dataset)
    if data_set.kind != "rating":
        raise UsageError(f"{dataset} holds {data_set.kind}s, and training needs ratings: choose a set such as tid2013")
    judgments = data_set.read(root or _default_root(data_set), (subset or data_set.default_subset,))
    part = judgments.subsets[0]
    fingerprint = judgments.fingerprint(judgments.images.identities())
    return RatedPairs(judgments, part.rows, part.clusters[:, 0], data_set.common_side), fingerprint


def _default_root(data_set: DataSet) -> Path | None:
    base = os.environ.get("ALIGNBENCH_DATA")
    return Path(base) / data_set.name if base and not data_set.packaged else None


def split_by_reference(pairs: RatedPairs, holdout: float, seed: int) -> tuple[RatedPairs, RatedPairs]:
    """Split pairs into those to train on, and those of other references that are held out.

    Args:
        pairs: All pairs.
        holdout: Share of the references to hold out; at least one is held out and one is not.
        seed: Seed of the choice of references.

    Raises:
        DataError: If a part has fewer than three ratings, or equal ones only, so that nothing correlates with it.
    """
    references = np.unique(pairs.clusters)
    count = min(max(1, round(holdout * len(references))), len(references) - 1)
    chosen = np.random.default_rng(seed).permutation(references)[:count]
    held_out = np.isin(pairs.clusters, chosen)
    parts = pairs.some(np.flatnonzero(~held_out)), pairs.some(np.flatnonzero(held_out))
    for name, part in zip(("to train on", "held out"), parts, strict=True):
        if len(part) < 3 or len(part.ratings.unique()) == 1:
            raise DataError(
                f"{pairs.judgments.dataset} has {len(part)} ratings of {len(references)} references {name}: training "
                "needs at least two references, and three ratings that differ on either side; choose another --subset"
            )
    return parts
