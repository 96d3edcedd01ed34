"""Distances of most pairs of a set at one layer, from matrix products: two passes over blocks of images.

The first gives euclidean distances, cosines and the sums for m[c], the second, once all ranks agree on m[c], the
normalised distances. A result that is small beside what was subtracted for it is worked out again from the difference
itself, so that near pairs keep their digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torchmetrics import Metric

from alignbench.distances.functional import ChannelFit, channel_differences, cosine, used_channels
from alignbench.distances.gram import Frame, products, squared_norms

_NEAR: Final = 0.02  # share of |a|^2 + |b|^2 below which a squared distance is worked out from the difference
_STILL: Final = 0.1  # the same for the sum of a channel over all pairs
_COPIED_AT_ONCE: Final = 4_000_000  # numbers
_FewPairs = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PairBlock:
    """Pairs between some images and others, or among the same.

    Attributes:
        rows: The range of these pairs among a rank's.
        first: Features of the first images, (n, tokens, channels), float32.
        second: Features of the second images, (m, tokens, channels), float32.
        first_norms: Norms of the flattened features of the first images, (n,), float64.
        second_norms: Norms of those of the second images, (m,), float64.
        i: Place in `first` of each pair's first image, (pairs,).
        j: Place in `second` of each pair's second image, (pairs,).
        upper: Whether `second` begins with the images of `first`, and no `j` is below its `i`: half the work.
    """

    rows: slice
    first: Tensor
    second: Tensor
    first_norms: Tensor
    second_norms: Tensor
    i: Tensor
    j: Tensor
    upper: bool = False

    def ends(self, numbers: Tensor, work: _FewPairs) -> Tensor:
        """Apply a function of (features, features, norms, norms) to some of the pairs, a few of them at a time."""
        step = max(1, _COPIED_AT_ONCE // self.first[0].numel())
        parts = [torch.empty(0, dtype=torch.float64, device=self.first.device)]
        for few in numbers.split(step):
            i, j = self.i[few], self.j[few]
            parts.append(work(self.first[i], self.second[j], self.first_norms[i], self.second_norms[j]))
        return torch.cat(parts)


class DenseDistances(Metric):
    """Distances of all pairs of a rank at one layer, from matrix products.

    Args:
        fit: Which pairs the channel means are fitted on, of this rank's pairs; one fold.
        tokens: Tokens an image has at this layer (in the chosen view).
        channels: Channels of the layer.
        distances: Which of `DISTANCES` to compute.
    """

    full_state_update = False
    higher_is_better = False
    channel_sum: Tensor
    count: Tensor
    weights: Tensor
    squared: Tensor
    cosines: Tensor
    normalized: Tensor
    filled: Tensor

    def __init__(self, fit: ChannelFit, tokens: int, channels: int, distances: tuple[str, ...]) -> None:
        super().__init__()
        if len(fit.weights) != 1:
            raise ValueError(f"{len(fit.weights)} folds of channel means, and matrix products are for one")
        self.tokens, self.channels, self.distances = tokens, channels, distances
        pairs = fit.weights.shape[1]
        self.add_state("channel_sum", torch.zeros(1, channels, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(1, dtype=torch.float64), dist_reduce_fx="sum")
        self.register_buffer("weights", fit.weights[0].double(), persistent=False)
        for name in ("squared", "cosines", "normalized"):
            self.register_buffer(name, torch.zeros(pairs, dtype=torch.float64), persistent=False)
        self.register_buffer("filled", torch.zeros(pairs, dtype=torch.bool), persistent=False)

    def update(self, block: PairBlock, centre: Tensor) -> None:
        """Make the first pass: everything but normalised distances.

        Args:
            block: Some of the pairs.
            centre: The mean of the features over all images, (tokens, channels), float32.
        """
        weights = self.weights[block.rows]
        table = torch.zeros(len(block.first), len(block.second), device=block.first.device)
        table.index_put_((block.i, block.j), weights.float(), accumulate=True)
        frame = Frame(centre)
        sums = products(block.first, block.second, frame, table, block.upper)
        lengths = self._lengths(block, frame)
        squared = self._refined(block, lengths - 2.0 * sums.inner[block.i, block.j], lengths, self._squared)
        self.squared[block.rows] = squared
        if "cosine" in self.distances:
            a, b = block.first_norms[block.i], block.second_norms[block.j]
            turned = squared - (a - b).square()  # the part of the difference that is not one of length
            near = turned < _NEAR * lengths
            cosines = turned / (2.0 * a * b)
            cosines[near] = block.ends(near.nonzero()[:, 0], cosine)
            self.cosines[block.rows] = cosines
        assert sums.spread is not None
        assert sums.shared is not None
        self.channel_sum[0] += self._channel_sums(block, weights, sums.spread, sums.spread - 2.0 * sums.shared)
        self.count += weights.sum()
        self.filled[block.rows] = True

    def normalise(self, block: PairBlock, centre: Tensor, means: Tensor) -> None:
        """Make the second pass: normalised distances.

        Args:
            block: Some of the pairs.
            centre: See `update`.
            means: m, (1, channels), of all ranks.
        """
        means = means.to(centre.device)
        used = used_channels(means)
        weights = torch.zeros_like(means[0])
        weights[used] = 1.0 / (means[0, used] * max(int(used.sum()), 1))

        def exact(first: Tensor, second: Tensor, *_: Tensor) -> Tensor:
            return (channel_differences(first, second).double() @ weights) * self.tokens

        frame = Frame(centre, weights.sqrt().float())
        sums = products(block.first, block.second, frame, upper=block.upper)
        lengths = self._lengths(block, frame)
        squared = self._refined(block, lengths - 2.0 * sums.inner[block.i, block.j], lengths, exact)
        self.normalized[block.rows] = (squared / self.tokens).sqrt()

    def _squared(self, first: Tensor, second: Tensor, *_: Tensor) -> Tensor:
        return channel_differences(first, second).double().sum(dim=1) * self.tokens

    def _lengths(self, block: PairBlock, frame: Frame) -> Tensor:
        """|a|^2 + |b|^2 of each pair."""
        second = squared_norms(block.second, frame)
        first = second if block.upper else squared_norms(block.first, frame)
        return first[block.i] + second[block.j]

    def _refined(self, block: PairBlock, squared: Tensor, lengths: Tensor, exact: _FewPairs) -> Tensor:
        near = squared < _NEAR * lengths
        squared[near] = block.ends(near.nonzero()[:, 0], exact)
        return squared

    def _channel_sums(self, block: PairBlock, weights: Tensor, spread: Tensor, sums: Tensor) -> Tensor:
        """The weighted sums of D per channel; those that are small beside `spread` are worked out pair by pair."""
        for channel in (sums < _STILL * spread).nonzero()[:, 0].tolist():
            a, b = block.first[:, :, channel], block.second[:, :, channel]
            rows = max(1, _COPIED_AT_ONCE // self.tokens)
            sums[channel] = sum(
                (w * (a[i] - b[j]).square().mean(dim=1).double()).sum()
                for i, j, w in zip(block.i.split(rows), block.j.split(rows), weights.split(rows), strict=True)
            )
        return sums

    def channel_means(self) -> Tensor:
        """Return m, (1, channels), float64 on the CPU, from the state: that of all ranks within `sync_context`."""
        return (self.channel_sum / self.count[:, None]).cpu()

    def compute(self) -> dict[str, Tensor]:
        """Return the distances by name, in float64 on the CPU; see `by_name`."""
        numbers = self.tokens * self.channels
        by_distance = {
            "normalized_euclidean": lambda: self.normalized.cpu(),
            "euclidean": lambda: (self.squared / numbers).sqrt().cpu(),
            "cosine": lambda: self.cosines.cpu(),
        }
        return {name: by_distance[name]() for name in self.distances}

    def by_name(self) -> dict[str, Tensor]:
        """Return the distances by name, each (pairs,); torchmetrics would give a single pair without its dimension."""
        return {name: values.reshape(-1) for name, values in self.compute().items()}
