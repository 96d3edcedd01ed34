"""How stable picks of texts are: the same head, over and over, with images drawn anew (the bootstrap)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError
from alignbench.extraction.host import side_by_side
from alignbench.interpret.text_span import (
    TextSpan,
    finite_rows,
    numerical_rank,
    precision_of,
    pursue,
    right_vectors,
    triangle,
)


@dataclass(frozen=True)
class PickStability:
    """How often a head's picks come again where its images are drawn anew.

    Attributes:
        again: Share of the resamples in which each pick is among the picks, (k,).
        in_place: Share in which it is picked at the same place, (k,).
        picks: What is picked in each resample, -1 where there was nothing left, (resamples, k).
    """

    again: Floats
    in_place: Floats
    picks: Indices


def image_draws(images: int, resamples: int, seed: int = 0) -> Indices:
    """Draw images with replacement: how often each is drawn in each resample, (resamples, images).

    Raises:
        UsageError: If there are no resamples.
    """
    if resamples < 1:
        raise UsageError(f"resamples are {resamples}: give at least 1")
    rng = np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(0, images, images), minlength=images) for _ in range(resamples)])


def stability_of_heads(
    heads: Iterable[tuple[NDArray[Any], TextSpan]],
    texts: NDArray[Any],
    draws: Indices,
    workers: int = 1,
    precision: float | None = None,
) -> Iterator[PickStability]:
    """Pick texts of each head anew for each draw of its images, as many and from as many dimensions as before.

    Images are written in the dimensions that the contributions have beyond rounding, which no draw of them can leave.

    Args:
        heads: Contributions (n, d') of each head, and what was picked of it.
        texts: As for `textspan`.
        draws: How often each image is drawn, (resamples, n), see `image_draws`.
        workers: Draws that are worked on at the same time.
        precision: As for `textspan`.

    Yields:
        The stability of each head's picks.

    Raises:
        UsageError: If draws are of another number of images, and as `textspan` does.
    """
    wide = finite_rows("texts", texts)
    for contributions, found in heads:
        given = finite_rows("contributions", contributions)
        if len(given) != draws.shape[1]:
            raise UsageError(f"{draws.shape[1]} images were drawn from, and contributions are of {len(given)}")
        values, vectors = right_vectors(given)
        vectors = vectors[: max(1, numerical_rank(values, given.shape, precision or precision_of(contributions)))]
        again = partial(_picked_again, given @ vectors.T, wide @ vectors.T, found)
        picks = np.stack(list(side_by_side(again, draws, workers)))
        is_again = (picks[:, None, :] == found.indices[None, :, None]).any(axis=2)
        yield PickStability(is_again.mean(axis=0), (picks == found.indices).mean(axis=0), picks)


def _picked_again(contributions: Floats, texts: Floats, found: TextSpan, drawn: Indices) -> Indices:
    """What is picked where images are there as often as they were drawn."""
    rows, often = contributions[drawn > 0], np.sqrt(drawn[drawn > 0])[:, None]
    vectors = right_vectors(rows * often)[1][: found.rank]
    centred = (rows - (rows * often**2).sum(axis=0) / drawn.sum()) * often
    most = float(np.linalg.norm(texts, axis=1).max(initial=0.0)) * float(np.linalg.norm(rows * often))
    picked = pursue(triangle(centred @ vectors.T), texts @ vectors.T, len(found.indices), most).indices
    return np.pad(picked, (0, len(found.indices) - len(picked)), constant_values=-1)
