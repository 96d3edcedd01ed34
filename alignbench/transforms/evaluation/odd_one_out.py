"""Odd-one-out choices of features, before and after a transform, on the same triplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgments import Judgments
from alignbench.errors import DataError, UsageError, unknown
from alignbench.statistics.noise_ceiling import mean_ceiling
from alignbench.statistics.scored_together import Contrast, Judged, score_together

KINDS: Final = ("cosine", "euclidean", "dot")
_AT_ONCE: Final = 20_000  # triplets whose features are gathered at the same time


@dataclass(frozen=True)
class OddOneOut:
    """Accuracy of one representation before and after, each with its 95 % interval over objects.

    Attributes:
        n: Number of triplets.
        objects: Number of objects that they name.
        before: Accuracy before, and the lower and upper end of its interval.
        after: Accuracy after, likewise.
        difference: After minus before, on the same triplets.
        p: P-value of the difference against 0.
        ceiling: Noise ceiling: from repeated triplets, else the published one; not a number without any.
    """

    n: int
    objects: int
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    difference: tuple[float, float, float]
    p: float
    ceiling: float


def to_triplets(judgments: Judgments) -> Indices:
    """Odd-one-out judgments as triplets of image numbers, (N, 3), the odd one last.

    Raises:
        UsageError: If they are judgments of another kind.
    """
    if judgments.kind != "choice" or judgments.judged.shape[1] != 3:
        raise UsageError(f"{judgments.dataset} has no odd-one-out triplets: transforms are learned and judged on these")
    options = judgments.pairs[judgments.judged]  # (N, 3 options, 2 ends)
    rows = np.arange(len(options))
    chosen = judgments.human.astype(np.int64)
    kept = options[rows, chosen]
    odd = (options.sum(axis=(1, 2)) - 2 * kept.sum(axis=1)) // 2  # each of the three is in two options
    return np.column_stack([kept, odd])


def triplet_distances(features: NDArray[np.floating], triplets: Indices, kind: str = "cosine") -> Floats:
    """Distances of the pairs (i, j), (i, k) and (j, k) of each triplet, (n, 3).

    Args:
        features: (objects, d).
        triplets: (n, 3).
        kind: `cosine`, `euclidean`, or `dot` (the negative dot product).

    Raises:
        DataError: If a feature vector is zero and has no cosine.
    """
    if kind not in KINDS:
        raise unknown("similarity", kind, KINDS)
    x = np.asarray(features, dtype=np.float64)
    if kind == "cosine":
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        if not norms.all():
            raise DataError(f"features of object {int((norms == 0).argmax())} are zero, which has no cosine")
        x = x / norms
    found = np.empty((len(triplets), 3))
    for start in range(0, len(triplets), _AT_ONCE):
        i, j, k = (x[column] for column in triplets[start : start + _AT_ONCE].T)
        for option, (first, second) in enumerate(((i, j), (i, k), (j, k))):
            found[start : start + _AT_ONCE, option] = _distances(first, second, kind)
    return found


def _distances(first: Floats, second: Floats, kind: str) -> Floats:
    if kind == "dot":
        return np.asarray(-(first * second).sum(axis=1))
    apart: Floats = np.linalg.norm(first - second, axis=1)
    return apart**2 / 2.0 if kind == "cosine" else apart  # by the difference, which keeps the digits of near ones


def softmax_entropy(features: NDArray[np.floating], triplets: Indices) -> float:
    """Mean entropy in nats of the softmax of the three dot products, temperature 1."""
    logits = -triplet_distances(features, triplets, "dot")
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    return float(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1).mean())


def judge_choices(
    before: Floats, after: Floats, triplets: Indices, published_ceiling: float | None, seed: int = 0
) -> OddOneOut:
    """Accuracies, their difference and the noise ceiling; a tie is wrong, as in the released code.

    Args:
        before: Distances before the transform as `triplet_distances` gives them, (n, 3).
        after: Distances after it, likewise.
        triplets: Object numbers, (n, 3): each two triplets with an object in common count once.
        published_ceiling: Noise ceiling of triplets that are not repeated; none if none is published.
        seed: Seed of the bootstrap.
    """
    options = np.arange(before.size).reshape(before.shape)
    runs = [Judged(distances.reshape(1, -1), options, "choice", False) for distances in (before, after)]
    scored = score_together(runs, np.zeros(len(triplets)), triplets, seed)
    first, second, gain = (scored.contrast(np.array(weights)) for weights in ((1.0, 0.0), (0.0, 1.0), (-1.0, 1.0)))
    ceiling = noise_ceiling(triplets, published_ceiling)
    return OddOneOut(len(triplets), scored.clusters, _share(first), _share(second), _ends(gain), gain.p, ceiling)


def _ends(found: Contrast) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def _share(found: Contrast) -> tuple[float, float, float]:
    """A share and its interval, which lies from 0 to 1."""
    return found.value, float(np.maximum(found.low, 0.0)), float(np.minimum(found.high, 1.0))


def noise_ceiling(triplets: Indices, published: float | None) -> float:
    """The mean of both estimates from repeated triplets, as runs have it; without repeats the published one."""
    i, j, k = triplets.T
    ends = [np.sort(np.column_stack(pair), axis=1) for pair in ((i, j), (i, k), (j, k))]
    size = int(triplets.max()) + 1
    numbered = np.column_stack([pair[:, 0] * size + pair[:, 1] for pair in ends])
    found = mean_ceiling(numbered, np.zeros(len(triplets), dtype=np.int64))
    return published if np.isnan(found) and published is not None else found
