"""Distances of many pairs at one layer, gathered batch by batch.

What ranks must agree on, the sums of D per channel over the pairs that m[c] is fitted on and their count, is synced
state; D itself is per pair and stays where its pairs are computed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from alignbench.distances.functional import (
    ChannelFit,
    channel_differences,
    cosine,
    euclidean,
    normalized_euclidean,
)

_ROWS = 4096  # pairs finished at a time, so that the float64 copy stays small


class LayerDistances(Metric):
    """Distances of all pairs of a rank at one layer.

    Args:
        fit: Which pairs the channel means are fitted on, of this rank's pairs.
        tokens: Tokens an image has at this layer (in the chosen view).
        channels: Channels of the layer.
        distances: Which of `DISTANCES` to compute.
        differences: Where D is kept, (pairs, channels) float32, for instance in a file; in memory if there is none.
    """

    full_state_update = False
    higher_is_better = False
    channel_sum: Tensor
    count: Tensor
    weights: Tensor
    fold: Tensor
    cosines: Tensor
    filled: Tensor

    def __init__(
        self,
        fit: ChannelFit,
        tokens: int,
        channels: int,
        distances: tuple[str, ...],
        differences: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.tokens, self.distances = tokens, distances
        folds, pairs = fit.weights.shape
        self.add_state("channel_sum", torch.zeros(folds, channels, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(folds, dtype=torch.float64), dist_reduce_fx="sum")
        self.register_buffer("weights", fit.weights.double(), persistent=False)
        self.register_buffer("fold", fit.fold, persistent=False)
        self.register_buffer("cosines", torch.zeros(pairs, dtype=torch.float64), persistent=False)
        self.register_buffer("filled", torch.zeros(pairs, dtype=torch.bool), persistent=False)
        # a plain attribute: what lies in a file stays there when the rest moves to a device
        self.differences = torch.zeros(pairs, channels) if differences is None else differences

    def update(self, pairs: Tensor | slice, first: Tensor, second: Tensor, pair_norms: Tensor) -> None:
        """Take in the features of some pairs.

        Args:
            pairs: Indices of the pairs, (n,), or their range.
            first: Features of their first images, (n, tokens, channels), float32.
            second: Features of their second images, of the same shape.
            pair_norms: Norms of the two flattened features, (n, 2).
        """
        differences = channel_differences(first, second)
        weights = self.weights[:, pairs]
        self.differences[pairs] = differences.to(self.differences.device)
        if "cosine" in self.distances:
            self.cosines[pairs] = cosine(first, second, *pair_norms.unbind(dim=1))
        self.filled[pairs] = True
        self.channel_sum += weights @ differences.to(weights.dtype)
        self.count += weights.sum(dim=1)

    def channel_means(self) -> Tensor:
        """Return m, (folds, channels), float64 on the CPU, from the state: that of all ranks within `sync_context`."""
        return (self.channel_sum / self.count[:, None]).cpu()

    def compute(self) -> dict[str, Tensor]:
        """Return the distances by name, in float64 on the CPU; see `by_name`."""
        means, fold = self.channel_means(), self.fold.cpu()
        by_distance = {}
        for name in self.distances:
            if name == "cosine":
                by_distance[name] = self.cosines.cpu()
                continue
            parts = [torch.empty(0, dtype=torch.float64)]
            for differences, folds in zip(self.differences.split(_ROWS), fold.split(_ROWS), strict=True):
                rows = differences.cpu()
                is_normalized = name == "normalized_euclidean"
                parts.append(normalized_euclidean(rows, means, folds) if is_normalized else euclidean(rows))
            by_distance[name] = torch.cat(parts)
        return by_distance

    def by_name(self) -> dict[str, Tensor]:
        """Return the distances by name, each (pairs,); torchmetrics would give a single pair without its dimension."""
        return {name: values.reshape(-1) for name, values in self.compute().items()}


class ChannelActivity(Metric):
    """Mean squared activation of each channel at one layer, over images and tokens.

    Args:
        channels: Channels of the layer.
    """

    full_state_update = False
    higher_is_better = None
    square_sum: Tensor
    count: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_state("square_sum", torch.zeros(channels, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, squares: Tensor, tokens: int) -> None:
        """Take in some images.

        Args:
            squares: Squared activations summed over tokens, (images, channels), float64.
            tokens: Number of tokens that were summed.
        """
        self.square_sum += squares.sum(dim=0)
        self.count += squares.shape[0] * tokens

    def compute(self) -> Tensor:
        """Return the means, (channels,), float64."""
        return self.square_sum / self.count
