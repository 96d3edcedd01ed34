"""How often a model chooses as its teacher does, before and after: agreement with a model, not accuracy with people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.alignet.evaluation.gain import AboutGain, UncorrectedGain, gain_of
from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.arrays import Floats, Indices
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import ImageSource
from alignbench.statistics.scored_together import Judged, score_together
from alignbench.transforms.evaluation.odd_one_out import triplet_distances

MOST: Final = 100_000
"""Triplets at most: more would tell no more, and each two that share a picture are counted together."""


@dataclass(frozen=True)
class TeacherTriplets:
    """Triplets that a teacher has labelled, and the pictures that they show.

    Attributes:
        name: Their name.
        images: The pictures.
        triplets: Numbers of pictures, the teacher's odd one last, (n, 3).
        of: How many triplets they were drawn from.
    """

    name: str
    images: ImageSource
    triplets: Indices
    of: int


def read_teacher_triplets(path: Path, images: Path, seed: int) -> TeacherTriplets:
    """Read triplets, of which 100,000 are drawn where there are more, and the pictures that these show.

    Args:
        path: A folder of `alignbench alignet label`, or a published `.npz`.
        images: The folder of the pictures.
        seed: Seed of the draw.

    Raises:
        DataError: If they cannot be read, or name pictures that are not there.
    """
    labelled = LabelledTriplets.open(path).check()
    count = len(labelled.triplets)
    if count > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(count, MOST, replace=False))
        labelled = replace(labelled, triplets=labelled.triplets[rows], similarities=labelled.similarities[rows])
    there = image_folder(images)
    labelled = labelled.of_pictures(there.names, str(images))
    shown, triplets = np.unique(np.asarray(labelled.triplets), return_inverse=True)
    name = path.stem if path.suffix == ".npz" else path.resolve().name
    return TeacherTriplets(name, there.select(shown.astype(np.int64)), triplets.reshape(-1, 3).astype(np.int64), count)


def agreement_gain(
    found: TeacherTriplets, features: tuple[Floats, Floats], seed: int, about: AboutGain
) -> UncorrectedGain:
    """Share of triplets whose odd one is the teacher's; a tie is none. Intervals are over pictures.

    Args:
        found: The triplets.
        features: Features of their pictures before, (n, d), and after, (n, e).
        seed: Seed of what may be drawn.
        about: What the row is about, the similarity as its `distance`; measure and n are filled in.

    Raises:
        DataError: If a feature vector has no cosine.
    """
    options = np.arange(3 * len(found.triplets)).reshape(-1, 3)
    runs = []
    for each in features:
        distances = triplet_distances(each, found.triplets, about.distance)
        runs.append(Judged(distances.reshape(1, -1), options, "choice", share_ties=False))
    scored = score_together(runs, np.zeros(len(options)), found.triplets, seed)
    return gain_of(replace(about, measure="agreement with the teacher", n=len(options)), scored)
