"""Folds of objects: no triplet has objects on both sides of a split.

A triplet trains a fold's transform only if none of its objects is held out, and judges it only if all three are; mixed
ones are dropped (with three folds 29.6 % of all triplets train and 3.7 % judge).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import DataError, UsageError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One split.

    Attributes:
        held_out: Objects that are held out, ascending, (h,).
        train: Triplets without any of them, (t, 3).
        judge: Triplets of them only, (v, 3).
        judge_rows: Which of all triplets these are, (v,).
    """

    held_out: Indices
    train: Indices
    judge: Indices
    judge_rows: Indices


def object_folds(objects: int, folds: int, seed: int) -> list[Indices]:
    """Held-out objects of each fold: scikit-learn's shuffled `KFold` over the objects in their order.

    Raises:
        UsageError: If there are fewer than two folds, or fewer objects than three for each.
    """
    if folds < 2:
        raise UsageError(f"{folds} fold leaves nothing to learn from: two at least are needed")
    if objects < 3 * folds:
        raise UsageError(
            f"{objects} objects cannot be split into {folds} folds of three at least: ask for fewer --folds"
        )
    from sklearn.model_selection import KFold

    split = KFold(folds, shuffle=True, random_state=seed).split(np.arange(objects))
    return [np.sort(held).astype(np.int64) for _, held in split]


def split_triplets(triplets: Indices, objects: int, held_out: Indices) -> Fold:
    """The triplets on each side.

    Args:
        triplets: Object numbers, (N, 3).
        objects: How many objects there are.
        held_out: Those to hold out.

    Raises:
        DataError: If none train, or none judge.
    """
    out = np.zeros(objects, dtype=np.bool_)
    out[held_out] = True
    count = out[triplets].sum(axis=1)
    judge = np.flatnonzero(count == 3)
    train = triplets[count == 0]
    if not len(train) or not len(judge):
        lacking = "to learn from" if not len(train) else "of held-out objects only, so that nothing can be validated"
        raise DataError(
            f"{len(triplets):,} triplets of {objects:,} objects leave none {lacking}: use more, or other --folds"
        )
    return Fold(np.sort(held_out), train, triplets[judge], judge)
