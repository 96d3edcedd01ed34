"""Inner products of many images with many others at one layer, from matrix products.

Where most pairs of a set are wanted, |a - b|^2 = |a|^2 + |b|^2 - 2 a.b is cheaper than pair by pair. What is subtracted
must not be much larger than what is left: features are centred (each token and channel over the images, which changes
no difference), and products are summed in float64 over a few tokens at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

_TOGETHER: Final = 4096  # numbers of an image multiplied at once, in float32
_ROWS: Final = 256  # images multiplied at once with all others


@dataclass(frozen=True)
class Frame:
    """How features are centred and scaled before they are compared.

    Attributes:
        centre: Values that are subtracted, (tokens, channels).
        scale: Factor of each channel, (channels,); none for 1.
    """

    centre: Tensor
    scale: Tensor | None = None

    def features(self, features: Tensor, tokens: slice) -> Tensor:
        """Centre and scale some tokens of features (images, tokens, channels), to (images, some tokens x channels)."""
        framed = features[:, tokens] - self.centre[tokens]
        if self.scale is not None:
            framed *= self.scale
        return framed.flatten(1)


@dataclass(frozen=True)
class Products:
    """What matrix products of the centred features a_i of some images and b_j of others give.

    Attributes:
        inner: a_i . b_j over tokens and channels, (n, m), float64; below the diagonal 0 where it was not asked for.
        spread: sum_ij W_ij mean_t (a_itc^2 + b_jtc^2), (channels,), float64; none without weights.
        shared: sum_ij W_ij mean_t a_itc b_jtc, likewise.
    """

    inner: Tensor
    spread: Tensor | None = None
    shared: Tensor | None = None


def image_sum(features: Tensor) -> Tensor:
    """Sum each token and channel over images: (images, tokens, channels) to (tokens, channels), float64."""
    # a token at a time: PyTorch copies to float64 what it sums in float64
    return torch.stack([features[:, token].sum(dim=0, dtype=torch.float64) for token in range(features.shape[1])])


def squared_norms(features: Tensor, frame: Frame) -> Tensor:
    """Squared norms of centred (and scaled) features, summed in float64.

    Args:
        features: (images, tokens, channels).
        frame: How they are centred and scaled.

    Returns:
        (images,), float64.
    """
    squares = torch.zeros(len(features), dtype=torch.float64, device=features.device)
    for chosen in _token_groups(features):
        squares += frame.features(features, chosen).square_().sum(dim=1).double()
    return squares


def products(
    first: Tensor,
    second: Tensor,
    frame: Frame,
    weights: Tensor | None = None,
    upper: bool = False,
) -> Products:
    """Inner products of every first image with every second one, and weighted sums of them for each channel.

    Args:
        first: Features of the first images, (n, tokens, channels), float32.
        second: Features of the second images, (m, tokens, channels), float32.
        frame: How both are centred and scaled.
        weights: W, (n, m), float32; none if no sums are wanted.
        upper: Whether `second` begins with the images of `first`, and only j >= i is wanted (W is 0 elsewhere): less
            work.
    """
    inner = torch.zeros(len(first), len(second), dtype=torch.float64, device=first.device)
    sums = torch.zeros(2, first.shape[2], dtype=torch.float64, device=first.device)
    rows, columns = (None, None) if weights is None else (weights.sum(dim=1), weights.sum(dim=0))
    for chosen in _token_groups(first):
        b = frame.features(second, chosen)
        a = b[: len(first)] if upper else frame.features(first, chosen)
        shared = torch.zeros(a.shape[1], dtype=torch.float64, device=a.device)
        for start in range(0, len(a), _ROWS):
            i, j = slice(start, start + _ROWS), slice(start if upper else 0, None)
            inner[i, j] += a[i] @ b[j].T
            if weights is not None:
                shared += (weights[i, j] @ b[j]).mul_(a[i]).sum(dim=0)
        if rows is not None and columns is not None:
            sums[0] += _per_channel((rows @ a.square() + columns @ b.square()).double(), first.shape[2])
            sums[1] += _per_channel(shared, first.shape[2])
    if weights is None:
        return Products(inner)
    spread, shared = sums / first.shape[1]
    return Products(inner, spread, shared)


def _token_groups(features: Tensor) -> Iterator[slice]:
    step = max(1, _TOGETHER // features.shape[2])
    return (slice(start, start + step) for start in range(0, features.shape[1], step))


def _per_channel(values: Tensor, channels: int) -> Tensor:
    return values.view(-1, channels).sum(dim=0)
