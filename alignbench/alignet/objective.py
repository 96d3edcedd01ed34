"""The student's loss: its choice among the three pairs of a triplet is held against the teacher's.

Pairs stand in the order (0, 1), (0, 2), (1, 2) everywhere, and a label has its odd one last: pair (0, 1) is the most
similar. Muttenthaler, Greff, Born et al., Nature 647 (2025); the public code has `jsd` and `contrastive` as well.
"""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from alignbench.errors import UsageError, unknown

Objective = Literal["kl", "jsd", "contrastive"]
OBJECTIVES: Final[tuple[Objective, ...]] = get_args(Objective)
PAIRS: Final = ((0, 1), (0, 2), (1, 2))


def triplet_loss(
    embeddings: Tensor,
    teacher_similarities: Tensor,
    objective: str = "kl",
    temperature: float = 1.0,
    normalize: bool = False,
) -> Tensor:
    """Return the loss of each triplet.

    With s the dot products of the three pairs, q = softmax(s / temperature) and p = softmax(teacher's similarities):
    `kl` is KL(p || q); `jsd` is half of KL(p || m) + KL(q || m), m = (p + q) / 2; `contrastive` is -log q of the first
    pair, whatever the teacher's similarities are. All in natural units. Half precision is computed in float32.

    Args:
        embeddings: What the student makes of the three pictures, (B, 3, d).
        teacher_similarities: [s01, s02, s12] of the teacher, (B, 3), finite.
        objective: `kl`, `jsd` or `contrastive`.
        temperature: What the student's similarities are divided by; the teacher's are not.
        normalize: Whether embeddings are divided by their Euclidean norms first.

    Returns:
        (B,), at least float32.

    Raises:
        UsageError: If there is no such objective, the temperature is not above 0, or a shape is another.

    Examples:
        >>> import torch
        >>> from alignbench.alignet import triplet_loss
        >>> embeddings = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])  # dot products 1, 0, 0
        >>> triplet_loss(embeddings, torch.tensor([[1.0, 0.0, 0.0]]))  # the teacher says the same
        tensor([0.])
    """
    _check(embeddings, teacher_similarities, objective, temperature)
    similarities = pair_similarities(embeddings, normalize)
    own = functional.log_softmax(similarities / temperature, dim=-1)
    if objective == "contrastive":
        return -own[:, 0]
    teacher = functional.log_softmax(teacher_similarities.to(own.dtype), dim=-1)
    if objective == "kl":
        return _divergence(teacher, own)
    middle = torch.logaddexp(teacher, own) - math.log(2)
    return (_divergence(teacher, middle) + _divergence(own, middle)) / 2


def pair_similarities(embeddings: Tensor, normalize: bool = False) -> Tensor:
    """Return the dot products of the three pairs of each triplet, [s01, s02, s12].

    Args:
        embeddings: (B, 3, d).
        normalize: Whether embeddings are divided by their Euclidean norms first.

    Returns:
        (B, 3), at least float32.
    """
    wide = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    if normalize:
        wide = functional.normalize(wide, dim=-1)
    # products and sums: autocast would make a matrix product of low precision of it
    return torch.stack([(wide[:, first] * wide[:, second]).sum(-1) for first, second in PAIRS], dim=-1)


def last_is_odd(embeddings: Tensor) -> Tensor:
    """Say of each triplet whether the last picture is the odd one: the first two are more similar than any other pair.

    Similarities are dot products. A tie is no choice: it is false, as is anything with NaN.

    Args:
        embeddings: (B, 3, d).

    Returns:
        (B,) bool.

    Raises:
        UsageError: If embeddings are of another shape.

    Examples:
        >>> import torch
        >>> from alignbench.alignet import last_is_odd
        >>> last_is_odd(torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]))
        tensor([True])
    """
    if embeddings.ndim != 3 or embeddings.shape[1] != 3:
        raise UsageError(f"embeddings of {tuple(embeddings.shape)}: triplets are (B, 3, d)")
    first, second, third = pair_similarities(embeddings).unbind(-1)
    return (first > second) & (first > third)


def choice_entropy(similarities: Tensor) -> Tensor:
    """Return the entropy of softmax(similarities), (B, 3) to (B,), in nats: 0 is one-hot, log 3 is flat."""
    logs = functional.log_softmax(similarities, dim=-1)
    return -(logs.exp() * logs).sum(-1)


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of (B, 3) logarithms; logarithms are finite, so that 0 x log 0 does not arise."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _check(embeddings: Tensor, teacher: Tensor, objective: str, temperature: float) -> None:
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    if not 0 < temperature < math.inf:
        raise UsageError(f"a temperature of {temperature:g}: give one above 0")
    if embeddings.ndim != 3 or embeddings.shape[1] != 3 or teacher.shape != (len(embeddings), 3):
        raise UsageError(
            f"embeddings of {tuple(embeddings.shape)} and the teacher's similarities of {tuple(teacher.shape)}: a loss "
            "of triplets takes (B, 3, d) and (B, 3)"
        )
