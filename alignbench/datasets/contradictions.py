"""Judgments of equal pictures under several names that differ: a picture in the place of another, or a copied one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from alignbench.datasets.judgments import Judgments
from alignbench.datasets.numbering import numbered_rows
from alignbench.errors import AlignbenchWarning


def warn_of_contradictions(judgments: Judgments, identities: Sequence[str]) -> None:
    """Warn if people said different things of pictures that are equal under different names; one warning for all.

    Judgments that name the same pictures are people's repeated ones, and may differ.

    Args:
        judgments: What people said.
        identities: Identities of the images, see `ImageSource.identities`.
    """
    kinds, equal = np.unique(np.array(identities), return_inverse=True)
    if len(kinds) == len(identities):
        return
    named = judgments.pairs[judgments.judged].reshape(len(judgments.judged), -1)
    shown = numbered_rows(equal[named])
    _, first = np.unique(shown, return_index=True)
    others = first[shown]  # the first judgment of the same pictures
    differs = (judgments.human != judgments.human[others]) & (named != named[others]).any(axis=1)
    if differs.any():
        row = int(np.argmax(differs))
        other = int(others[row])
        names = judgments.images.names
        swapped = next(place for place in range(named.shape[1]) if named[row, place] != named[other, place])
        warnings.warn(
            f"{differs.sum():,} judgments of {judgments.dataset} contradict others of equal pictures: "
            f"{names[named[row, swapped]]} has the bytes of {names[named[other, swapped]]}, and people said "
            f"{judgments.human[row]:g} of one and {judgments.human[other]:g} of the other "
            f"({judgments.ids[row]}, {judgments.ids[other]}): check that the pictures are the published ones",
            AlignbenchWarning,
            stacklevel=3,
        )
