"""The three distances of a pair of images at one layer, as functions of tensors.

A layer gives an image `tokens x channels` numbers; a pair is (a, b), and D[i, c] the mean over tokens of the squared
difference of pair i in channel c.
"""

from __future__ import annotations

import torch
from torch import Tensor

DISTANCES = ("normalized_euclidean", "euclidean", "cosine")


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


def norms(features: Tensor) -> Tensor:
    """Euclidean norms of flattened features, summed in double precision.

    Args:
        features: (images, tokens, channels).

    Returns:
        (images,), float64.
    """
    found: Tensor = torch.linalg.vector_norm(features.flatten(1), dim=1, dtype=torch.float64)
    return found


def euclidean(differences: Tensor) -> Tensor:
    """Root mean square difference over tokens and channels.

    Args:
        differences: D, (pairs, channels).

    Returns:
        (pairs,), float64.
    """
    return differences.double().mean(dim=1).sqrt()


def normalized_euclidean(differences: Tensor, channel_means: Tensor) -> Tensor:
    """Euclidean distance after every channel's squared difference is brought to unit mean.

    d_i = sqrt(mean_c D[i, c] / m[c]); channels with m[c] = 0 differ nowhere and are left out (with none left the
    distance is 0). Hernández-Cámara et al. (ICLR 2024 Re-Align workshop).

    Args:
        differences: D, (pairs, channels).
        channel_means: m, (channels,): the mean of D over the evaluated pairs, with their multiplicity.

    Returns:
        (pairs,), float64.
    """
    used = channel_means > 0
    weights = torch.zeros_like(channel_means, dtype=torch.float64)
    weights[used] = 1.0 / channel_means[used].double()
    return (differences.double() @ weights / max(int(used.sum()), 1)).sqrt()


def cosine(first: Tensor, second: Tensor, first_norms: Tensor, second_norms: Tensor) -> Tensor:
    """One minus the cosine of the flattened features: half the squared distance of the normalised vectors.

    With r = |b| / |a| that is |b - r a|^2 / (2 |b|^2): one rounding fewer than normalising both, and nothing is
    subtracted from 1, so that small distances keep their digits.

    Args:
        first: Features a of the first images, (pairs, tokens, channels).
        second: Features b of the second images, of the same shape.
        first_norms: |a|, (pairs,), float64.
        second_norms: |b|, (pairs,), float64.

    Returns:
        (pairs,), float64.
    """
    ratio = (second_norms / first_norms).to(first.dtype)[:, None, None]
    squared = torch.addcmul(second, first, -ratio).square_().sum(dim=1).double().sum(dim=1)
    return squared / (2.0 * second_norms.square())
