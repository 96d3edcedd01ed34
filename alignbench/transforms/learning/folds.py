"""Folds of objects: no triplet has objects on both sides of a split.

A triplet trains a fold's transform only if none of its objects is held out; it is held out only if all three are; mixed
ones are dropped (with three folds 29.6 % of all triplets train and 3.7 % are held out). Of the held-out ones half say
when learning stops and which weights are kept, the other half judge: chosen on the triplets that judge, weights that
learned nothing would be a point better than chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.datasets.things import distinct_triplets
from alignbench.errors import DataError, UsageError, counted

SAVED: Final = 0  # the fold whose transform stands for its layer


@dataclass(frozen=True, eq=False)
class SoftTriplets:
    """Triplets and how people choose among their pairs: what the objective `soft` learns.

    Attributes:
        triplets: Object numbers, (t, 3).
        targets: Probabilities of the pairs (i, j), (i, k) and (j, k), (t, 3); each row sums to 1.
    """

    triplets: Indices
    targets: Floats


class SoftTargets(Protocol):
    """Gives each fold the probabilities that the objective `soft` learns."""

    def settings(self) -> Mapping[str, Any]:
        """Return everything of it that can change a number."""
        ...

    def of(self, train: Indices) -> tuple[SoftTriplets, Mapping[str, Any]]:
        """Make them from the triplets that train a fold, (t, 3), the odd one last, and of these alone.

        Beside them comes what the record says of them.
        """
        ...


@dataclass(frozen=True)
class Fold:
    """One split.

    Attributes:
        held_out: Objects that are held out, ascending, (h,).
        train: Triplets without any of them, (t, 3).
        validate: Half of the triplets of them only, (v, 3): these stop learning.
        judge: The other half, (w, 3). Repeats of a triplet are on one side.
        soft: What trains in place of `train`, with its probabilities, for the objective `soft`.
    """

    held_out: Indices
    train: Indices
    validate: Indices
    judge: Indices
    soft: SoftTriplets | None = None


def object_folds(objects: int, folds: int, seed: int) -> list[Indices]:
    """Held-out objects of each fold: scikit-learn's shuffled `KFold` over the objects in their order.

    Raises:
        UsageError: If there are fewer than two folds, or fewer objects than three for each.
    """
    if folds < 2:
        raise UsageError(f"{folds} fold leaves nothing to learn from: two at least are needed")
    if objects < 3 * folds:
        raise UsageError(
            f"{counted(objects, 'object')} cannot be split into {folds} folds of three at least: ask for fewer --folds"
        )
    from sklearn.model_selection import KFold

    split = KFold(folds, shuffle=True, random_state=seed).split(np.arange(objects))
    return [np.sort(held).astype(np.int64) for _, held in split]


def split_triplets(triplets: Indices, objects: int, held_out: Indices, seed: int = 0) -> Fold:
    """The triplets on each side.

    Args:
        triplets: Object numbers, (N, 3).
        objects: Number of objects.
        held_out: Objects to hold out.
        seed: Seed of the halves of the held-out triplets.

    Raises:
        DataError: If no triplet trains, or fewer than two different ones are held out.
    """
    out = np.zeros(objects, dtype=np.bool_)
    out[held_out] = True
    count = out[triplets].sum(axis=1)
    train, held = triplets[count == 0], triplets[count == 3]
    number = distinct_triplets(held)[:, 0]
    distinct = int(number.max(initial=-1)) + 1
    if not len(train) or distinct < 2:
        lacking = (
            "none to learn from" if not len(train) else f"{distinct} of held-out objects only, to validate and judge"
        )
        raise DataError(
            f"too few triplets of {counted(objects, 'object')} ({len(triplets):,}, {lacking}): use more, or other "
            "--folds"
        )
    judges = np.zeros(distinct, dtype=np.bool_)
    judges[np.random.default_rng(seed).permutation(distinct)[: distinct // 2]] = True
    return Fold(np.sort(held_out), train, held[~judges[number]], held[judges[number]])
