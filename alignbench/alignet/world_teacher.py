"""What a larger network might say of a world's pictures: noisy features of what is on them, as a teacher's base.

No such network was trained. A picture's features are codes of its factors, mixed by a random rotation:

    factor          channels  code                strength
    superordinate          4  one-hot                  0.5
    basic kind             8  a random direction         1
    sector of hues         4  one-hot                    1
    hue                   16  one-hot                    1
    mark                   4  one-hot                    1
    subordinate kind      48  a random direction       2.4
    background            12  one-hot                  0.4
    size                   6  one-hot                  0.2
    corner                 4  one-hot                  0.2
    nothing                6  0

and Gaussian noise of 0.1 in each of the 112 channels. Superordinate kinds are there, but count for little, until an
affine map is learned from people's choices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.datasets.levels_world import (
    BASICS,
    CORNERS,
    EACH,
    HUES,
    LEAVES,
    OTHER_PAPERS,
    OTHER_SIZES,
    PAPERS,
    PURPOSES,
    SIZES,
    SUPERORDINATES,
    VERSION,
    LeafImages,
    LevelsWorld,
)
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.files import make_folder

CHANNELS: Final = 112
NOISE: Final = 0.1
LAYER: Final = "projection"
FEATURES_VERSION: Final = 2  # raise when a change moves any feature
_CODE: Final = 8  # channels of a basic kind
_LEAF_CODE: Final = 48  # and of a leaf
_STREAM: Final = 2_000  # of random numbers, beside those of the pictures and the people


def factor_features(images: LeafImages) -> NDArray[np.float32]:
    """Return a picture's features, which do not depend on which other pictures are asked for.

    Args:
        images: Pictures of one world.

    Returns:
        Features, (n, 112).
    """
    codes = np.zeros((len(images.chosen), CHANNELS))
    start = 0
    for block in _blocks(images):
        codes[:, start : start + block.shape[1]] = block
        start += block.shape[1]
    world, purpose = images.world, PURPOSES.index(images.purpose)
    for row, (leaf, number) in zip(codes, images.chosen, strict=True):
        row += NOISE * np.random.default_rng((VERSION, world.seed, _STREAM, purpose, leaf, number)).normal(
            size=CHANNELS
        )
    return np.asarray(codes @ _rotation(world), dtype=np.float32)


def write_factor_features(path: Path, images: LeafImages) -> None:
    """Write features of pictures as `alignbench extract` does, by the names of the pictures.

    Args:
        path: `.safetensors` or `.npz`.
        images: Pictures of one world.

    Raises:
        UsageError: If its name ends otherwise.
        AlignbenchError: If it cannot be written.
    """
    label = f"shapes-levels-factors-{images.world.seed}"
    origin = {
        "model": label,
        "model_fingerprint": hashlib.sha256(f"v{VERSION}.{FEATURES_VERSION}:{label}".encode()).hexdigest(),
        "tokens": "cls",
        "precision": "fp32",
        "normalized": False,
        "class_token": False,
        "layers": {LAYER: {"depth": 100.0, "prefix_tokens": 0}},
    }
    make_folder(path.parent)
    write_features(path, FeatureFile({LAYER: factor_features(images)}, tuple(images.names), origin=origin))


def _generator(world: LevelsWorld) -> np.random.Generator:
    return np.random.default_rng((VERSION, world.seed, _STREAM))


def _rotation(world: LevelsWorld) -> Floats:
    """A random orthogonal matrix, (112, 112), whose signs do not depend on the library that decomposes."""
    drawn = _generator(world).normal(size=(CHANNELS, CHANNELS))
    rotation, triangle = np.linalg.qr(drawn)
    return np.asarray(rotation * np.sign(np.diagonal(triangle)))


def _directions(world: LevelsWorld, stream: int, shape: tuple[int, int]) -> Floats:
    """Random directions of length 1, (kinds, channels)."""
    drawn = np.random.default_rng((VERSION, world.seed, _STREAM, stream)).normal(size=shape)
    return np.asarray(drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True)))


def _blocks(images: LeafImages) -> Iterator[Floats]:
    """The code of each factor of some pictures, (n, channels)."""
    tree, leaves = images.world.drawn, images.leaves
    hues = tree.hues[leaves]
    yield 0.5 * np.eye(len(SUPERORDINATES))[leaves // EACH**2]
    yield _directions(images.world, 1, (len(BASICS), _CODE))[leaves // EACH]
    yield np.eye(len(HUES) // EACH)[hues // EACH]
    yield np.eye(len(HUES))[hues]
    yield np.eye(EACH)[tree.marks[leaves]]
    yield 2.4 * _directions(images.world, 2, (LEAVES, _LEAF_CODE))[leaves]
    new = images.purpose == "shifted"  # whose backgrounds and sizes are others
    nuisances = images.nuisances
    papers = np.array([each.paper for each in nuisances]) + len(PAPERS) * new
    sizes = np.array([each.size for each in nuisances]) + len(SIZES) * new
    yield 0.4 * np.eye(len(PAPERS) + len(OTHER_PAPERS))[papers]
    yield 0.2 * np.eye(len(SIZES) + len(OTHER_SIZES))[sizes]
    yield 0.2 * np.eye(CORNERS)[np.array([each.corner for each in nuisances])]
