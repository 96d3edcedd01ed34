"""A transform, features and a human matrix to judge it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.transforms import AffineTransform
from alignbench.transforms.named import NamedTransform

WIDTH = 6


def transform(**provenance: Any) -> NamedTransform:
    weights = np.eye(WIDTH) + 0.2 * np.random.default_rng(0).normal(size=(WIDTH, WIDTH))
    return NamedTransform("turn", AffineTransform(weights, 0.1, 1.2, np.full(WIDTH, 0.3), provenance))


def embed_pictures(images: ImageSource) -> Floats:
    """Features by the names of pictures."""
    return np.stack([np.random.default_rng(list(name.encode())).normal(size=WIDTH) for name in images.names])


def matrix_of(root: Path) -> HumanMatrix:
    images = image_folder(root)
    count = len(images.names)
    values = np.random.default_rng(2).uniform(size=count * (count - 1) // 2)
    return HumanMatrix("people", images, values, "dissimilarity", "")


def told(judgments: Judgments, learned: slice, held_out: slice = slice(0, 0)) -> dict[str, Any]:
    """Provenance of a transform that was learned on some of the pictures."""
    names = list(judgments.images.names)
    return {
        "dataset": "shapes-high",
        "learned_objects": names[learned],
        "held_out_objects": names[held_out],
    }
