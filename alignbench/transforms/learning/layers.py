"""Transforms of many layers, learned on folds of objects and judged on the objects that each fold holds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.evaluation.odd_one_out import OddOneOut, judge_choices, softmax_entropy, triplet_distances
from alignbench.transforms.learning.folds import Fold
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.train import Learned, learn


@dataclass(frozen=True)
class LearnedLayer:
    """What was learned at one layer.

    Attributes:
        layer: Its name.
        depth: In percent of the network.
        recipe: How it was learned.
        folds: What each fold gave.
        judged: Choices on held-out objects: each fold's triplets by the transform that never saw their objects.
    """

    layer: str
    depth: float
    recipe: Recipe
    folds: tuple[Learned, ...]
    judged: OddOneOut

    @property
    def best(self) -> int:
        """The fold whose transform has the lowest held-out loss on triplets."""
        return int(np.argmin([learned.loss for learned in self.folds]))

    @property
    def loss(self) -> float:
        """Mean over folds of the held-out loss on triplets: what a search makes small."""
        return float(np.mean([learned.loss for learned in self.folds]))

    @property
    def transform(self) -> AffineTransform:
        """That of the best fold."""
        return self.folds[self.best].transform


def learn_layer(
    layer: str,
    depth: float,
    features: NDArray[np.floating[Any]],
    folds: Sequence[Fold],
    recipe: Recipe,
    images: NDArray[np.floating[Any]] | None = None,
    *,
    kind: str = "cosine",
    published_ceiling: float | None = None,
    accelerator: str = "cpu",
) -> LearnedLayer:
    """Learn a transform on each fold of one layer, and judge them together.

    Args:
        layer: Its name.
        depth: Its depth.
        features: Features of the objects, (n, d), un-normalised.
        folds: The splits.
        recipe: How.
        images: Features of the local term at this layer, (m, d).
        kind: Similarity of the choices: `cosine`, `euclidean` or `dot`.
        published_ceiling: For triplets that are not repeated.
        accelerator: `cpu` or `cuda`.
    """
    learned = tuple(learn(features, fold, recipe, images, accelerator) for fold in folds)
    before: list[Floats] = []
    after: list[Floats] = []
    entropies = []
    for fold, found in zip(folds, learned, strict=True):
        aligned = found.transform.apply(np.asarray(features, dtype=np.float64))
        before.append(triplet_distances(features, fold.judge, kind))
        after.append(triplet_distances(aligned, fold.judge, kind))
        entropies.append(softmax_entropy(aligned, fold.judge))
    triplets = np.concatenate([fold.judge for fold in folds])
    entropy = float(np.average(entropies, weights=[len(fold.judge) for fold in folds]))
    judged = judge_choices(
        np.concatenate(before), np.concatenate(after), triplets, entropy, published_ceiling, recipe.seed
    )
    return LearnedLayer(layer, depth, recipe, learned, judged)
