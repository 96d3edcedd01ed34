"""The three distances of a pair of images at one layer, as functions of tensors.

A layer gives an image `tokens x channels` numbers; a pair is (a, b), and D[i, c] the mean over tokens of the squared
difference of pair i in channel c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

# share of the squared difference in length below which single precision loses digits of a cosine
_BLURRED: Final = 0.01
_EXACT_AT_ONCE: Final = 1_000_000  # numbers copied to float64


def channel_differences(first: Tensor, second: Tensor) -> Tensor:
    """Mean over tokens of the squared difference, D[i, c].

    Args:
        first: Features of the first images, (pairs, tokens, channels).
        second: Features of the second images, of the same shape.

    Returns:
        D, (pairs, channels).
    """
    difference = first - second
    return difference.square_().mean(dim=1)


def token_squares(features: Tensor) -> Tensor:
    """Squared features summed over tokens: (images, tokens, channels) to (images, channels), float64."""
    return features.square().sum(dim=1).double()


def norms(features: Tensor) -> Tensor:
    """Euclidean norms of flattened features, summed in double precision over channels.

    Args:
        features: (images, tokens, channels).

    Returns:
        (images,), float64.
    """
    return token_squares(features).sum(dim=1).sqrt()


def euclidean(differences: Tensor) -> Tensor:
    """Root mean square difference over tokens and channels.

    Args:
        differences: D, (pairs, channels).

    Returns:
        (pairs,), float64.
    """
    return differences.double().mean(dim=1).sqrt()


@dataclass(frozen=True)
class ChannelFit:
    """Which pairs the channel means m[c] are fitted on.

    Attributes:
        weights: How often each pair counts in the means of each fold, (folds, pairs), float64. Under the paper's
            protocol there is one fold, of the evaluated pairs themselves.
        fold: The fold whose means each pair is divided by, (pairs,).
        held_out: Whether no pair is fitted on itself; a layer without a channel that varies in every fold is then an
            error instead of having distance 0.
    """

    weights: Tensor
    fold: Tensor
    held_out: bool = False


def used_channels(channel_means: Tensor) -> Tensor:
    """Channels with m[c] > 0 in every fold: what differs nowhere must not divide. (folds, channels) to (channels,)."""
    return (channel_means > 0).all(dim=0)


def normalized_euclidean(differences: Tensor, channel_means: Tensor, fold: Tensor) -> Tensor:
    """Euclidean distance after every channel's squared difference is brought to unit mean.

    d_i = sqrt(mean_c D[i, c] / m[c]) over the channels with m[c] > 0 in every fold (with none the distance is 0).
    Hernández-Cámara et al. (ICLR 2024 Re-Align workshop).

    Args:
        differences: D, (pairs, channels).
        channel_means: m, (folds, channels): means of D over the pairs of each fold, with their multiplicity.
        fold: The fold whose means each pair is divided by, (pairs,).

    Returns:
        (pairs,), float64.
    """
    used = used_channels(channel_means)
    weights = torch.zeros_like(channel_means, dtype=torch.float64)
    weights[:, used] = 1.0 / channel_means[:, used].double()
    by_fold = differences.double() @ weights.T / max(int(used.sum()), 1)
    return by_fold.gather(1, fold[:, None])[:, 0].sqrt()


def participation_ratio(values: Tensor) -> float:
    """How many channels share a non-negative quantity: (sum v)^2 / sum v^2, from 1 to the number of channels.

    Args:
        values: (channels,); all zero gives 0.
    """
    squares = float(values.double().square().sum())
    return float(values.double().sum()) ** 2 / squares if squares else 0.0


def cosine(first: Tensor, second: Tensor, first_norms: Tensor, second_norms: Tensor) -> Tensor:
    """One minus the cosine of the flattened features: half the squared distance of the normalised vectors.

    With r = |b| / |a| that is |b - r a|^2 / (2 |b|^2), where nothing is subtracted from 1, so that small distances keep
    their digits (to 1e-6 of the distance). A GPU multiplies and subtracts with one rounding. Not every CPU does, so
    there it is (b - a) - (r - 1) a, whose product is small where the lengths are alike; the few pairs that point the
    same way but differ in length are worked out in float64.

    Args:
        first: Features a of the first images, (pairs, tokens, channels).
        second: Features b of the second images, of the same shape.
        first_norms: |a|, (pairs,), float64.
        second_norms: |b|, (pairs,), float64.

    Returns:
        (pairs,), float64.
    """
    ratio = second_norms / first_norms
    if first.is_cuda:
        return _half_squares(torch.addcmul(second, first, -_per_pair(ratio, first)), second_norms)
    turned = (second - first).addcmul_(first, _per_pair(1.0 - ratio, first))
    distances = _half_squares(turned, second_norms)
    blurred = (distances < _BLURRED * (1.0 - 1.0 / ratio).square()).nonzero()[:, 0]
    for few in blurred.split(max(1, _EXACT_AT_ONCE // first.shape[1:].numel())):
        a, b = first[few].double(), second[few].double()
        distances[few] = _half_squares(b.sub_(a.mul_(ratio[few, None, None])), second_norms[few])
    return distances


def _per_pair(values: Tensor, features: Tensor) -> Tensor:
    return values.to(features.dtype)[:, None, None]


def _half_squares(turned: Tensor, norms: Tensor) -> Tensor:
    """|x|^2 / (2 |b|^2) of (pairs, tokens, channels), which are overwritten."""
    return turned.square_().sum(dim=1).double().sum(dim=1) / (2.0 * norms.square())
