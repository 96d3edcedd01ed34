"""Worlds for `alignet.py`: base students, and what the control arms put in the place of a world's own.

A world is that of `shapes_levels.WORLD`, which is another one while `world_of` is entered.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.embedded import load_embedding_model
from alignbench.alignet.labelled_triplets import SIMILARITIES, TRIPLETS, LabelledTriplets
from alignbench.alignet.labelling import LabelScale, pair_similarities
from alignbench.alignet.stage_folders import write_record
from alignbench.alignet.teacher_features import teacher_features
from alignbench.alignet.world_files import WorldFiles
from alignbench.alignet.world_student import WIDTH, BaseStudent, Pretraining, pretrain, student_config
from alignbench.datasets import shapes_levels
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.levels_world import LEAVES, LevelsWorld
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.files import make_folder, whole_folder
from alignbench.transforms.evaluation.similarity import agreement, dissimilarities, unit_rows

FOLLOWING = 5.0  # times cosines: people who follow a model are as sure as those of the truth, 0.66 in the mean
_EACH = 20  # pictures of each leaf in similarity matrices
_PROBES = 5_000  # triplets by which features are brought to a scale


@contextmanager
def world_of(seed: int, followed: str = "") -> Iterator[LevelsWorld]:
    """Make a world the packaged one, for this process.

    Args:
        seed: Its seed.
        followed: A model by which its people choose; empty for the world's own truth.
    """
    world = LevelsWorld(seed)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(shapes_levels, "WORLD", world))
        for name in ("LEVELS", "OBJECTS") if followed else ():
            own = getattr(shapes_levels, name)

            def read(root: Path | None, subsets: tuple[str, ...], own: shapes_levels.DataSet = own) -> Judgments:
                return follow(own.read(root, subsets), followed)

            stack.enter_context(mock.patch.object(shapes_levels, name, replace(own, read=read)))
        yield world


def follow(judgments: Judgments, model: str) -> Judgments:
    """The same triplets, judged by people who see what a model sees: its choices are the likeliest."""
    rows = unit_rows(embedded(model, judgments.images), "cosine")
    first, second = judgments.pairs.T
    cosines = (rows[first] * rows[second]).sum(axis=1)[judgments.judged]
    kept = (FOLLOWING * cosines + np.random.default_rng(0).gumbel(size=cosines.shape)).argmax(axis=1)
    return replace(judgments, human=kept.astype(np.float64), responses=None)


def embedded(model: str, images: ImageSource) -> NDArray[np.float64]:
    """What a model says of pictures, (n, d)."""
    config = GainsConfig(model, "", batch_size=64, accelerator="cpu", workers=0)
    return load_embedding_model(model, config, None, lambda text: None).embed(images, "off", lambda count: None)


def similarity_agreement(model: str, world: LevelsWorld) -> float:
    """Spearman's correlation of the true similarities of leaves with the cosines of a model's means of their pictures.

    They are of pictures that are in no other measure, and are taken around the mean of all.
    """
    images = world.pictures("labelled", _EACH)
    means = embedded(model, images).reshape(LEAVES, _EACH, -1).mean(axis=1)
    first, second = np.triu_indices(LEAVES, 1)
    return agreement(dissimilarities(means, "cosine"), -world.similarity(first, second)).spearman


# ------------------------------------------------------------------------------------------------ bases


def base_student(seed: int, folder: Path, how: Pretraining) -> str:
    """The base student of a world, which is trained unless it is there."""
    if not folder.exists():
        pretrain(LevelsWorld(seed), how).save(folder)
    return str(folder)


def random_student(seed: int, folder: Path) -> str:
    """A student that has learned nothing."""
    from transformers import ViTModel

    if not folder.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = ViTModel(student_config(), add_pooling_layer=False)
        BaseStudent(model, nn.Linear(WIDTH, LEAVES)).save(folder)
    return str(folder)


# ------------------------------------------------------------------------------------------ what is taught


def own_features(model: str, files: WorldFiles, teacher: Path, path: Path) -> Path:
    """A model's own features as those of an untransformed teacher: centred, and multiplied by one number.

    By that number the targets of random triplets have the mean entropy that those of a learned teacher have, so that
    both are as unsure.

    Args:
        model: The model.
        files: The pictures, and what the learned teacher's base says of them.
        teacher: The learned teacher.
        path: Where they are written.
    """
    if path.exists():
        return path
    images = image_folder(files.pictures)
    plain = embedded(model, images)
    centred = (plain - plain.mean(axis=0)).astype(np.float32)
    probes = np.random.default_rng(0).permuted(np.tile(np.arange(len(centred)), (_PROBES, 1)), axis=1)[:, :3]
    with teacher_features(files.features, None, str(teacher)).opened() as rows:
        wanted = _entropy(pair_similarities(rows(slice(None)), probes))
    similarities = pair_similarities(centred, probes)
    low, high = 1e-6, 1e3
    for _ in range(60):  # entropy falls with the scale
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if _entropy(middle * similarities) > wanted else (low, middle)
    make_folder(path.parent)
    write_features(path, FeatureFile({"projection": centred * np.float32(np.sqrt(low))}, tuple(images.names)))
    return path


def _entropy(similarities: NDArray[np.float64]) -> float:
    """Mean entropy of the targets that similarities give, in nats."""
    scale = LabelScale()
    scale.add(similarities.astype(np.float32), None)
    return float(scale.record()["entropy"])


def shuffled_labels(labels: Path, folder: Path) -> Path:
    """The same triplets, each with the similarities of another one in a random order of its pictures."""
    if folder.exists():
        return folder
    found = LabelledTriplets.open(labels)
    rng = np.random.default_rng(0)
    places = rng.permuted(np.tile(np.arange(3), (len(found.triplets), 1)), axis=1)
    shown = np.take_along_axis(np.asarray(found.triplets), places, axis=1)
    others = np.asarray(found.similarities)[rng.permutation(len(shown))]
    with whole_folder(folder) as scratch:
        np.save(scratch / TRIPLETS, shown)
        np.save(scratch / SIMILARITIES, others)
        shutil.copy(labels / "names.json", scratch)
        write_record(
            scratch, "labels", json.loads((labels / "labels.json").read_text())["settings"], {"shuffled": True}
        )
    return folder
