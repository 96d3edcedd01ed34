"""What is minimised when a transform is learned.

Muttenthaler et al. (NeurIPS 2023), with similarities as dot products and temperature 1:

- L_global = mean of -log softmax([e_i.e_j, e_i.e_k, e_j.e_k])[0] over triplets whose odd one is k;
- soft targets: mean of KL(p || q) over triplets, q the softmax of the same three products, p how people choose
  (Muttenthaler et al., Nature 2025); with p one-hot on the first pair it is L_global;
- L_local = mean over rows of -sum P log Q, P = softmax(S / tau), Q = softmax(T / tau), with S and T the cosine
  similarities of features before and after, without their diagonals;
- penalties: the Frobenius norm of W (naive), or its squared distance from a scaled identity (global, gLocal).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def triplet_loss(embeddings: Tensor) -> Tensor:
    """L_global: cross-entropy of the pair that people kept.

    Args:
        embeddings: (triplets, 3, k), the odd one last.

    Returns:
        A scalar.
    """
    return -_log_choices(embeddings)[:, 0].mean()


def soft_triplet_loss(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Mean KL(p || q) of choices.

    Args:
        embeddings: (triplets, 3, k).
        targets: p of the pairs (i, j), (i, k) and (j, k), (triplets, 3); zeros are allowed.

    Returns:
        A scalar.
    """
    return (torch.xlogy(targets, targets) - targets * _log_choices(embeddings)).sum(dim=1).mean()


def _log_choices(embeddings: Tensor) -> Tensor:
    """Log-probabilities of the pairs (i, j), (i, k) and (j, k), (triplets, 3)."""
    i, j, k = embeddings.unbind(dim=1)
    similarities = torch.stack([(i * j).sum(dim=1), (i * k).sum(dim=1), (j * k).sum(dim=1)], dim=1)
    return similarities.log_softmax(dim=1)


def gram_triplet_loss(embeddings: Tensor, triplets: Tensor) -> Tensor:
    """L_global of many triplets of few objects, from the objects' dot products.

    Args:
        embeddings: Embeddings of the objects, (n, k).
        triplets: Their numbers, (triplets, 3), the odd one last.

    Returns:
        A scalar.
    """
    products = embeddings @ embeddings.T
    i, j, k = triplets.unbind(dim=1)
    similarities = torch.stack([products[i, j], products[i, k], products[j, k]], dim=1)
    return -similarities.log_softmax(dim=1)[:, 0].mean()


def local_loss(before: Tensor, after: Tensor, tau: float) -> Tensor:
    """L_local: cross-entropy of the similarities to all other images before and after.

    Args:
        before: Features, (m, d).
        after: The same after the transform, (m, k).
        tau: Temperature.

    Returns:
        A scalar, KL(P||Q) plus the entropy of P.
    """
    first, second = (_without_diagonal(_cosines(features)) / tau for features in (before, after))
    return -(first.softmax(dim=1) * second.log_softmax(dim=1)).sum(dim=1).mean()


def local_divergence(before: Tensor, after: Tensor, tau: float) -> Tensor:
    """KL(P||Q), the part of `local_loss` that depends on the transform; arguments as there."""
    first, second = (_without_diagonal(_cosines(features)) / tau for features in (before, after))
    logs = first.log_softmax(dim=1)
    return (logs.exp() * (logs - second.log_softmax(dim=1))).sum(dim=1).mean()


def frobenius(weights: Tensor) -> Tensor:
    """||W||_F, not squared."""
    norm: Tensor = torch.linalg.vector_norm(weights)
    return norm


def scaled_identity(weights: Tensor) -> Tensor:
    """Sum (W - mean(diag W) I)^2; the gradient flows through the mean."""
    scale = weights.diagonal().mean()
    identity = torch.eye(len(weights), dtype=weights.dtype, device=weights.device)
    return (weights - scale * identity).square().sum()


def _cosines(features: Tensor) -> Tensor:
    unit = normalize(features, dim=1)
    return unit @ unit.T


def _without_diagonal(square: Tensor) -> Tensor:
    """(m, m) to (m, m - 1)."""
    count = len(square)
    shifted = square.flatten()[1:].view(count - 1, count + 1)  # the diagonal comes to the last column
    return shifted[:, :-1].reshape(count, count - 1)
