"""Beyond random subspaces: is a head closer to people than any part of its layer's attention of its size?

What the heads of a layer add is centred over pictures; they span S. A random subspace of rank r is r orthonormal
directions drawn uniformly in S, and what it adds is the sum of all heads of the layer, projected on it. Scaled to the
energy of a head it has the same order of distances, hence the same score: subspaces are drawn once for all heads of a
layer that have the same rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError
from alignbench.extraction.host import side_by_side
from alignbench.interpret.text_span import ROUNDED

Rows = NDArray[Any]
_ROUNDING: Final = 1e-9  # t that differ by less are equal
_FLOAT32: Final = float(np.finfo(np.float32).eps)
_FEWEST: Final = 3  # subspaces of which a standard deviation, and that without one of them, is known


def layer_in_span(heads: Iterable[Rows], precision: float = _FLOAT32) -> NDArray[np.float32]:
    """The sum of a layer's heads, in an orthonormal basis of what they span.

    Args:
        heads: What each head adds, (n pictures, d') each, in float32.
        precision: Precision (machine epsilon) of the type in which they were kept.

    Returns:
        Centred over pictures, (n, s).
    """
    total, products, given = np.zeros(()), np.zeros(()), 0.0
    for head in heads:
        centred = head.astype(np.float64) - head.mean(axis=0, dtype=np.float64)
        total, products = total + centred, products + centred.T @ centred
        given += float(np.linalg.norm(head)) ** 2
    values, vectors = np.linalg.eigh(products)
    return np.asarray(total @ vectors[:, beyond_rounding(values, np.sqrt(given), precision)], dtype=np.float32)


def directions(head: Rows, precision: float) -> int:
    """Count the directions in which a head varies over pictures, at least one.

    Args:
        head: What it adds, (n pictures, d').
        precision: Precision of the type in which that was kept.
    """
    centred = head.astype(np.float64) - head.mean(axis=0, dtype=np.float64)
    values = np.linalg.eigvalsh(centred.T @ centred)
    return max(1, int(beyond_rounding(values, float(np.linalg.norm(head)), precision).sum()))


def beyond_rounding(values: Floats, length: float, precision: float) -> NDArray[np.bool_]:
    """Tell directions in which rows vary from those that rounding has made, however many rows there are.

    Args:
        values: Eigenvalues of the products of centred rows, squares of their singular values.
        length: Length of all rows together, before they were centred: numbers far from zero are rounded more.
        precision: Precision of the type in which rows were kept.
    """
    rounded = values.max(initial=0.0) * len(values) * np.finfo(np.float64).eps  # of the eigenvalues themselves
    return np.asarray(values > max(rounded, (ROUNDED * precision * length) ** 2))


def subspace_scores(
    layer: NDArray[np.float32],
    rank: int,
    score: Callable[[Rows], float | Floats],
    draws: int = 999,
    seed: int | tuple[int, ...] = 0,
) -> Floats:
    """Scores of random subspaces of a layer.

    Args:
        layer: See `layer_in_span`, (n, s).
        rank: Directions of a subspace; all s if there are no more.
        score: Scores features of pictures, (n, rank), as a head alone is scored; or on several subsets, (subsets,).
        draws: Subspaces.
        seed: Seed of the draws, another one for each layer and rank.

    Returns:
        (draws,), or (draws, subsets).

    Raises:
        UsageError: If there are fewer than three draws.
    """
    if draws < _FEWEST:
        raise UsageError(f"draws are {draws}: give at least {_FEWEST}")
    rng, span = np.random.default_rng(seed), layer.shape[1]

    def scored(columns: NDArray[np.float32]) -> float | Floats:
        # the space of random normal columns is distributed uniformly, and so is that of an orthonormal basis of it
        return score(layer @ np.linalg.qr(columns)[0])

    drawn = (rng.standard_normal((span, min(rank, span)), dtype=np.float32) for _ in range(draws))
    return np.array(list(side_by_side(scored, drawn)), dtype=np.float64)


def beyond_subspaces(scores: Floats, pools: Sequence[Floats], pool_of: Indices) -> Floats:
    """How probable it is that the best of as many random subspaces as there are heads scores so high.

    Scores are brought to t by mean and standard deviation of the subspaces of their own layer and rank, and a subspace
    by those of the others; then all subspaces are alike. Of N of them and C more, the largest of the C has at most j of
    the N at or above it with the probability 1 - prod_{i=0..j} (N - i) / (N + C - i). That is the p-value of a head
    that j subspaces reach. Where none does, Bonferroni's bound of the tail of t is taken if it is smaller.

    Args:
        scores: Those of the heads alone, (heads,).
        pools: Scores of random subspaces, (draws,) each, an array for each layer and rank.
        pool_of: Number of the pool that each head belongs to, (heads,).

    Returns:
        p of each head, one-sided, corrected for all of them, (heads,); not a number without a score, or where the
        subspaces' scores do not vary.
    """
    t, tail = np.full((2, len(scores)), np.nan)
    drawn = []
    for number, pool in enumerate(pools):
        mine, known = pool_of == number, pool[np.isfinite(pool)]
        if len(known) < _FEWEST or np.ptp(known) <= _ROUNDING or not mine.any():
            continue
        t[mine] = (scores[mine] - known.mean()) / (known.std(ddof=1) * np.sqrt(1.0 + 1.0 / len(known)))
        tail[mine] = stats.t.sf(t[mine], len(known) - 1)
        drawn.append(_without_itself(known))
    heads, everything = int(np.count_nonzero(np.isfinite(t))), np.sort(np.concatenate([np.empty(0), *drawn]))
    reached = len(everything) - np.searchsorted(everything, t - _ROUNDING * (1.0 + np.abs(t)))
    share = _largest_of(heads, len(everything))[reached]
    found = np.where(reached > 0, share, np.minimum(share, heads * tail))
    return np.where(np.isnan(t), np.nan, found)


def _without_itself(pool: Floats) -> Floats:
    """The t of each score of a pool by mean and standard deviation of the others."""
    count = len(pool)
    apart = pool - pool.mean()
    others = ((apart**2).sum() - apart**2 * count / (count - 1.0)) / (count - 2.0)
    error = np.sqrt(np.maximum(others, 0.0) * (1.0 + 1.0 / (count - 1.0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(apart * count / (count - 1.0) / error)


def _largest_of(more: int, drawn: int) -> Floats:
    """The p-value by how many of `drawn` reach the largest of `more`, (drawn + 1,)."""
    place = np.arange(drawn)
    below = np.cumprod((drawn - place) / (drawn + more - place))
    return np.append(1.0 - below, 1.0)
