"""Distances of pairs through the accumulator, and the same in float64 NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from alignbench.distances.functional import ChannelFit, norms
from alignbench.distances.names import DISTANCES
from alignbench.distances.streaming import LayerDistances
from reference import pair_distances

Floats = NDArray[np.float64]
shapes = st.tuples(st.integers(1, 7), st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**31))


def ends_of(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([norms(first), norms(second)], dim=1)


def fitted_on(weights: Tensor) -> ChannelFit:
    """Channel means of the evaluated pairs themselves, which count as often as the weights (pairs,) say."""
    return ChannelFit(weights.double()[None], torch.zeros(len(weights), dtype=torch.long))


def streamed(
    first: Tensor, second: Tensor, weights: Sequence[float] | None = None, batches: Sequence[Tensor] | None = None
) -> dict[str, Floats]:
    """Distances of all pairs through the accumulator, in the given batches of pairs."""
    count, tokens, channels = first.shape
    fit = fitted_on(torch.ones(count) if weights is None else torch.tensor(weights))
    metric = LayerDistances(fit, tokens, channels, DISTANCES)
    for some in [torch.arange(count)] if batches is None else batches:
        metric.update(some, first[some], second[some], ends_of(first[some], second[some]))
    return {name: values.numpy() for name, values in metric.by_name().items()}


def reference(first: Tensor, second: Tensor, weights: Sequence[int] | None = None) -> dict[str, Floats]:
    """The same in float64 NumPy, with every occurrence of a pair written out."""
    tokens = [image.numpy().astype(np.float64) for image in torch.cat([first, second])]
    times = np.ones(len(first), dtype=int) if weights is None else np.array(weights)
    rows = np.repeat(np.arange(len(first)), times)
    distances = pair_distances(tokens, [(int(row), len(first) + int(row)) for row in rows])
    one_each = np.cumsum(times) - times
    return {name: values[one_each] for name, values in distances.items()}
