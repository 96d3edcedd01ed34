"""What is put in the place of a part that is ablated: the mean over a reference set, nothing, or another picture's."""

from __future__ import annotations

from typing import Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError

WAYS: Final = ("mean", "zero", "resample")


def replaced(whole: Floats, own: Floats, reference: Floats, way: str, donors: Indices | None = None) -> Floats:
    """Replace a part of embeddings.

    Args:
        whole: The embeddings, (n, d'): the sum of all parts.
        own: The part of them that is ablated, (n, d').
        reference: The same part of the pictures of the reference set, (m, d').
        way: `mean`, `zero` or `resample`.
        donors: For `resample`: the reference picture whose part each picture is given, (n,).

    Returns:
        The embeddings with the part replaced, (n, d').
    """
    if way == "mean":
        return np.asarray(whole - own + reference.mean(axis=0))
    if way == "zero":
        return np.asarray(whole - own)
    assert donors is not None
    return np.asarray(whole - own + reference[donors])


def drawn_donors(count: int, references: int | None, draws: int, seed: int) -> Indices:
    """Draw the pictures whose parts are put in the place of others'.

    Args:
        count: Number of pictures, n.
        references: Number of the pictures of the reference set; none if these are the pictures themselves, of which
            each is then given that of another one.
        draws: How often.
        seed: Seed of the draws.

    Returns:
        Numbers of reference pictures, (draws, n).

    Raises:
        UsageError: If there is no other picture to draw.
    """
    rng = np.random.default_rng(seed)
    if references is not None:
        return rng.integers(0, references, (draws, count))
    if count < 2:
        raise UsageError("--way resample takes another picture's part, and there is one picture: give --reference")
    return np.asarray((np.arange(count) + rng.integers(1, count, (draws, count))) % count)
