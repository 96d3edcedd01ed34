"""What a model is good for besides people's judgments, before and after: few shots, and pictures of another kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.evaluation.gain import AboutGain, UncorrectedGain, gain_of, mean_over_draws, mean_over_pictures
from alignbench.arrays import Floats, Indices
from alignbench.datasets.image_folder import labelled_folder
from alignbench.datasets.images import ImageSource
from alignbench.errors import DataError, counted
from alignbench.transforms.evaluation.downstream import few_shot, fitted_classifier

HELD_OUT: Final = 0.25
"""The share of the first folder's pictures of each class on which nothing is learned."""
_FEWEST: Final = 3  # pictures of a class to learn from and to test: two for cross-validation, and one
_EXAMPLES: Final = 3


def few_shot_gains(features: Sequence[Floats], labels: Indices, shots: int, about: AboutGain) -> UncorrectedGain:
    """Classification of pictures from a few of each class, before and after, with the same draws of these.

    Args:
        features: Features before, (n, d), and after, (n, e).
        labels: The class of each picture, (n,).
        shots: Pictures of each class to learn from.
        about: What the row is about; measure and n are filled in.

    Raises:
        AlignbenchError: See `few_shot`.
    """
    found = [few_shot(each, labels, shots=shots) for each in features]
    scored = mean_over_draws(np.array([each.accuracies for each in found]))
    return gain_of(replace(about, measure=f"accuracy, {shots} a class", n=len(labels)), scored)


# ------------------------------------------------------------------------------------ another distribution


@dataclass(frozen=True)
class ShiftedPictures:
    """Two folders of pictures of the same classes.

    Attributes:
        name: Their names.
        first: The pictures of which some are learned from.
        second: Pictures of another kind, all of which are tested.
        labels: The class of each picture of the first, and of the second.
    """

    name: str
    first: ImageSource
    second: ImageSource
    labels: tuple[Indices, Indices]


def read_shift(first: Path, second: Path) -> ShiftedPictures:
    """Read two labelled folders.

    Args:
        first: Holds `CLASS/.../PICTURE`, of which classes are learned.
        second: Likewise, with the same classes.

    Raises:
        DataError: If one has a class that the other lacks, or too few pictures of one.
    """
    images, labels, classes = labelled_folder(first)
    others, their_labels, their_classes = labelled_folder(second)
    apart = [
        f"{place} lacks {', '.join(lacking[:_EXAMPLES])}{', ...' if len(lacking) > _EXAMPLES else ''}"
        for place, lacking in (
            (first, sorted({*their_classes} - {*classes})),
            (second, sorted({*classes} - {*their_classes})),
        )
        if lacking
    ]
    if apart:
        raise DataError(f"--shift compares folders of the same classes, and {' and '.join(apart)}: leave others out")
    counts = np.bincount(labels)
    if counts.min() < _FEWEST:
        raise DataError(
            f"{first / classes[int(counts.argmin())]} holds {counted(int(counts.min()), 'picture')}, where "
            f"{_FEWEST} are needed, 2 to learn from and 1 to test: add some, or leave the class out of both folders"
        )
    name = f"{first.resolve().name} to {second.resolve().name}"
    return ShiftedPictures(name, images, others, (labels, their_labels))


def held_out_pictures(labels: Indices, seed: int) -> NDArray[np.bool_]:
    """Which pictures are not learned from, (n,): a quarter of each class, one at least, and two are left.

    Args:
        labels: The class of each, (n,).
        seed: Seed of the draw, class after class.
    """
    rng, chosen = np.random.default_rng(seed), np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(HELD_OUT * len(members))), len(members) - 2)
        chosen[rng.choice(members, count, replace=False)] = True
    return chosen


def shift_gains(
    pictures: ShiftedPictures, first: Sequence[Floats], second: Sequence[Floats], seed: int, about: AboutGain
) -> list[UncorrectedGain]:
    """Accuracy of a classifier of one folder on held-out pictures of it, and on those of the other.

    Before and after learn from the same pictures and are tested on the same. Intervals are over tested pictures, with
    what was learned from as it is.

    Args:
        pictures: The folders.
        first: Features of the first folder's pictures before, (n, d), and after, (n, e).
        second: Features of the second folder's, likewise.
        seed: Seed of the draw of held-out pictures.
        about: What both rows are about; subset, measure and n are filled in.

    Raises:
        DataError: If a feature is not finite.
    """
    labels, their_labels = pictures.labels
    held_out = held_out_pictures(labels, seed)
    fewest = int(np.bincount(labels[~held_out]).min())
    right: tuple[list[Floats], list[Floats]] = ([], [])
    for own, others in zip(first, second, strict=True):
        if not (np.isfinite(own).all() and np.isfinite(others).all()):
            raise DataError("the features hold numbers that are not finite: extract them again in a higher precision")
        model = fitted_classifier(own[~held_out], labels[~held_out], fewest)
        right[0].append(model.predict(own[held_out]) == labels[held_out])
        right[1].append(model.predict(others) == their_labels)
    return [
        gain_of(
            replace(about, subset=subset, measure="accuracy", n=len(each[0])),
            mean_over_pictures(np.array(each, dtype=np.float64)),
        )
        for subset, each in zip(("same kind", "other kind"), right, strict=True)
    ]
