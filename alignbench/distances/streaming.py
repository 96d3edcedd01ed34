"""Distances of many pairs at one layer, gathered batch by batch.

What ranks must agree on, the sum of D over evaluated pairs per channel and their count, is synced state; D itself is
per pair and stays where its pairs are computed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from alignbench.distances.functional import (
    channel_differences,
    cosine,
    euclidean,
    normalized_euclidean,
)

_ROWS = 4096  # pairs finished at a time, so that the float64 copy stays small


class LayerDistances(Metric):
    """Distances of all pairs at one layer.

    Args:
        weights: How often each pair occurs in the judgments, (pairs,).
        tokens: Tokens an image has at this layer (in the chosen view).
        channels: Channels of the layer.
        distances: Which of `DISTANCES` to compute.
    """

    full_state_update = False
    higher_is_better = False
    channel_sum: Tensor
    count: Tensor
    weights: Tensor
    differences: Tensor
    cosines: Tensor
    filled: Tensor

    def __init__(self, weights: Tensor, tokens: int, channels: int, distances: tuple[str, ...]) -> None:
        super().__init__()
        self.tokens, self.distances = tokens, distances
        pairs = len(weights)
        self.add_state("channel_sum", torch.zeros(channels, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.register_buffer("weights", weights.double(), persistent=False)
        self.register_buffer("differences", torch.zeros(pairs, channels), persistent=False)
        self.register_buffer("cosines", torch.zeros(pairs, dtype=torch.float64), persistent=False)
        self.register_buffer("filled", torch.zeros(pairs, dtype=torch.bool), persistent=False)

    def update(self, pairs: Tensor, first: Tensor, second: Tensor, pair_norms: Tensor) -> None:
        """Take in the features of some pairs.

        Args:
            pairs: Indices of the pairs, (n,).
            first: Features of their first images, (n, tokens, channels), float32.
            second: Features of their second images, of the same shape.
            pair_norms: Norms of the two flattened features, (n, 2).
        """
        differences = channel_differences(first, second)
        weights = self.weights[pairs]
        self.differences[pairs] = differences
        if "cosine" in self.distances:
            self.cosines[pairs] = cosine(first, second, *pair_norms.unbind(dim=1))
        self.filled[pairs] = True
        self.channel_sum += weights @ differences.to(weights.dtype)
        self.count += weights.sum()

    def compute(self) -> dict[str, Tensor]:
        """The distances by name, in float64 on the CPU; see `by_name`."""
        means = (self.channel_sum / self.count).cpu()
        found = {}
        for name in self.distances:
            if name == "cosine":
                found[name] = self.cosines.cpu()
                continue
            parts = []
            for differences in self.differences.split(_ROWS):
                rows = differences.cpu()
                is_normalized = name == "normalized_euclidean"
                parts.append(normalized_euclidean(rows, means) if is_normalized else euclidean(rows))
            found[name] = torch.cat(parts)
        return found

    def by_name(self) -> dict[str, Tensor]:
        """The distances by name, each (pairs,); torchmetrics would give a single pair without its dimension."""
        return {name: values.reshape(-1) for name, values in self.compute().items()}
