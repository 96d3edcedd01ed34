"""Objects, and people who look at some of their features: what a transform can be learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alignbench.transforms.learning.folds import Fold, object_folds, split_triplets

Array = NDArray[np.float64]
OBJECTS, WIDTH = 30, 6


def world(seed: int = 0) -> tuple[Array, Fold, Array]:
    """Objects whose first two channels people look at."""
    rng = np.random.default_rng(seed)
    features = rng.normal(1.0, 2.0, size=(OBJECTS, WIDTH))
    triplets = np.array([rng.choice(OBJECTS, 3, replace=False) for _ in range(3000)])
    seen = features[:, :2]
    pairs = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
    near = np.stack([np.linalg.norm(seen[triplets[:, a]] - seen[triplets[:, b]], axis=1) for a, b, _ in pairs])
    triplets = np.take_along_axis(triplets, np.array(pairs)[near.argmin(axis=0)], axis=1)
    return features, split_triplets(triplets, OBJECTS, object_folds(OBJECTS, 3, seed)[0]), rng.normal(size=(50, WIDTH))
