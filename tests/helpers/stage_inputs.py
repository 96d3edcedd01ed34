"""Small features of pictures in eight groups, and a teacher, in files: what the stages before training start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.transforms import AffineTransform

PICTURES, WIDTH, GROUPS = 120, 6, 8


@dataclass(frozen=True)
class StageInputs:
    """Files of the stages, and what is in them.

    Attributes:
        features: A file of features.
        teacher: A file of a transform to four numbers.
        names: Names of the pictures, a folder a group.
        rows: The features, (120, 6).
        weights: Weights of the transform; its mean is 0.5, its deviation 2, its bias 1.
        groups: Group of each picture, (120,).
    """

    features: Path
    teacher: Path
    names: tuple[str, ...]
    rows: NDArray[np.float32]
    weights: NDArray[np.float64]
    groups: NDArray[np.int64]

    @property
    def seen(self) -> NDArray[np.float64]:
        """The features as the teacher sees them, in float64."""
        seen: NDArray[np.float64] = ((self.rows.astype(np.float64) - 0.5) / 2.0) @ self.weights + 1.0
        return seen


def write_stage_inputs(folder: Path) -> StageInputs:
    """Write them."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.arange(PICTURES) % GROUPS)
    rows = (4 * rng.normal(size=(GROUPS, WIDTH))[groups] + rng.normal(size=(PICTURES, WIDTH))).astype(np.float32)
    names = tuple(f"kind{group}/{number:03}.png" for number, group in enumerate(groups))
    weights = rng.normal(size=(WIDTH, 4))
    folder.mkdir(parents=True, exist_ok=True)
    features, teacher = folder / "features.safetensors", folder / "turn.safetensors"
    write_features(features, FeatureFile({"projection": rows}, names, origin={"model": "own", "tokens": "cls"}))
    told = {"model": "own", "models": ["own"], "layer": "projection"}
    AffineTransform(weights, 0.5, 2.0, np.ones(4), told).save(teacher)
    return StageInputs(features, teacher, names, rows, weights, groups)
