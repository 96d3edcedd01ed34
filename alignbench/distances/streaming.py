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
    pair_norms: Tensor
    filled: Tensor

    def __init__(self, weights: Tensor, tokens: int, channels: int, distances: tuple[str, ...]) -> None:
        super().__init__()
        self.tokens, self.distances = tokens, distances
        pairs = len(weights)
        self.add_state("channel_sum", torch.zeros(channels, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.register_buffer("weights", weights.double(), persistent=False)
        self.register_buffer("differences", torch.zeros(pairs, channels), persistent=False)
        self.register_buffer("pair_norms", torch.zeros(pairs, 2, dtype=torch.float64), persistent=False)
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
        self.pair_norms[pairs] = pair_norms.to(self.pair_norms.dtype)
        self.filled[pairs] = True
        self.channel_sum += weights @ differences.to(weights.dtype)
        self.count += weights.sum()

    def compute(self) -> dict[str, Tensor]:
        """The distances by name, each (pairs,) in float64 on the CPU."""
        means = (self.channel_sum / self.count).cpu()
        parts: dict[str, list[Tensor]] = {name: [] for name in self.distances}
        for rows, ends in zip(self.differences.split(_ROWS), self.pair_norms.split(_ROWS), strict=True):
            rows, ends = rows.cpu(), ends.cpu()
            for name, part in parts.items():
                if name == "normalized_euclidean":
                    part.append(normalized_euclidean(rows, means))
                elif name == "euclidean":
                    part.append(euclidean(rows))
                else:
                    part.append(cosine(rows, ends[:, 0], ends[:, 1], self.tokens))
        return {name: torch.cat(part) for name, part in parts.items()}
