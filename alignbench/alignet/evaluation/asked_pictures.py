"""Pictures of which no human judgment is asked: read before any model is loaded, embedded by both, and judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignbench.alignet.evaluation.agreement import MOST, TeacherTriplets, agreement_gain, read_teacher_triplets
from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.embedded import EmbeddingModel
from alignbench.alignet.evaluation.gain import AboutGain, UncorrectedGain
from alignbench.alignet.evaluation.pictures import ShiftedPictures, few_shot_gains, read_shift, shift_gains
from alignbench.alignet.evaluation.relative_distances import ClassTree, check_shots, distance_gains, read_class_tree
from alignbench.alignet.evaluation.seen import Seen
from alignbench.arrays import Floats, Indices
from alignbench.datasets.images import ImageSource
from alignbench.transforms.learning.inputs import digest_of_images
from alignbench.transforms.learning.progress import LearningListener


@dataclass(frozen=True)
class AskedPictures:
    """Pictures that are embedded by both models.

    Attributes:
        tree: Pictures in classes.
        shift: Two folders of the same classes.
        triplets: Triplets of a teacher.
    """

    tree: ClassTree | None
    shift: ShiftedPictures | None
    triplets: tuple[TeacherTriplets, ...]

    @property
    def images(self) -> list[ImageSource]:
        """All of them, in order."""
        found = [] if self.tree is None else [self.tree.images]
        found += [] if self.shift is None else [self.shift.first, self.shift.second]
        return found + [each.images for each in self.triplets]

    @property
    def settings(self) -> dict[str, object]:
        """What settles which pictures are asked about, and how they go together."""
        tree, shift = self.tree, self.shift
        return {
            "labelled": None if tree is None else _digests([tree.images], tree.labels, tree.above),
            "shift": None if shift is None else _digests([shift.first, shift.second], *shift.labels),
            "triplets": [_digests([each.images], each.triplets) for each in self.triplets],
        }

    @property
    def notes(self) -> list[str]:
        """What has to be known to read their rows."""
        return [
            f"Agreement on {each.name}: {MOST:,} of {each.of:,} triplets, drawn at random."
            for each in self.triplets
            if each.of > MOST
        ]


def read_pictures(config: GainsConfig) -> AskedPictures:
    """Read the folders that are asked about, before any model is loaded.

    Raises:
        DataError: If one is not there, or cannot be judged on.
    """
    tree = None if config.labelled is None else read_class_tree(config.labelled, config.hierarchy)
    if tree is not None:
        check_shots(tree, config.shots)
    shift = None if config.shift is None else read_shift(*config.shift)
    found = []
    for path in config.triplets:
        assert config.images is not None
        found.append(read_teacher_triplets(path, config.images, config.seed))
    return AskedPictures(tree, shift, tuple(found))


def _digests(images: Sequence[ImageSource], *numbers: Indices) -> list[str]:
    """What pictures, labels and triplets are known by."""
    return [
        *map(digest_of_images, images),
        *(hashlib.sha256(np.ascontiguousarray(each, dtype="<i8").tobytes()).hexdigest() for each in numbers),
    ]


def picture_gains(
    config: GainsConfig,
    asked: AskedPictures,
    models: tuple[EmbeddingModel, EmbeddingModel],
    to: tuple[Seen, LearningListener],
) -> list[UncorrectedGain]:
    """Embed all pictures by both models, and judge what comes out.

    Args:
        config: How it is judged.
        asked: The pictures.
        models: The models before and after.
        to: What teacher and student have seen; and what hears of the pictures that are embedded.

    Returns:
        The rows of all that is asked of pictures.

    Raises:
        AlignbenchError: If a picture is damaged, or gives numbers that cannot be judged.
    """
    seen, heard = to
    layers = (models[0].layer_name, models[1].layer_name)
    features = [iter(_embedded(config, model, asked.images, heard)) for model in models]

    def pair() -> tuple[Floats, Floats]:
        return next(features[0]), next(features[1])

    rows: list[UncorrectedGain] = []
    if asked.tree is not None:
        tree, sample, found = asked.tree, seen.of_pictures(asked.tree.images), pair()
        about = AboutGain("few-shot", tree.name, "", 0, "draws of the pictures to learn from", sample, layers=layers)
        rows.append(few_shot_gains(found, tree.labels, config.shots, about))
        if len(tree.above):
            about = AboutGain("relative distance", tree.name, "", 0, "classes", sample, "", "", "cosine", layers=layers)
            rows += distance_gains(tree, *found, about)
    if asked.shift is not None:
        sample = seen.of_pictures(asked.shift.first)
        about = AboutGain("distribution shift", asked.shift.name, "", 0, "tested pictures", sample, layers=layers)
        rows += shift_gains(asked.shift, pair(), pair(), config.seed, about)
    for place, triplets in zip(config.triplets, asked.triplets, strict=True):
        sample = seen.of_triplets(place, triplets.images)
        of, by = ("agreement with the teacher", triplets.name), config.similarity
        about = AboutGain(*of, "", 0, "pictures", sample, distance=by, layers=layers)
        rows.append(agreement_gain(triplets, pair(), config.seed, about))
    return rows


def _embedded(
    config: GainsConfig, model: EmbeddingModel, images: Sequence[ImageSource], heard: LearningListener
) -> list[Floats]:
    """The vectors of all pictures, one source after another."""
    count = sum(len(each.names) for each in images)
    heard.planned(f"{model.ready.label}: {count:,} images, {model.layer_name}, {model.ready.reading.device}", count)
    cache = None if config.pixel_cache is None else str(config.pixel_cache)
    return [model.embed(each, cache, heard.embedded) for each in images]
