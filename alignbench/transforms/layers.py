"""Transforms of many layers, learned on folds of objects and judged on the objects that each fold holds out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.learning import Learned, learn
from alignbench.transforms.odd_one_out import OddOneOut, judge_choices, softmax_entropy, triplet_distances
from alignbench.transforms.recipe import Recipe
from alignbench.transforms.splitting import Fold

Floats = NDArray[np.float64]


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
        features: Of the objects, (n, d), un-normalised.
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


def learn_layers(
    depths: Mapping[str, float],
    features: Mapping[str, NDArray[np.floating[Any]]],
    folds: Sequence[Fold],
    recipes: Mapping[str, Recipe],
    images: Mapping[str, NDArray[np.floating[Any]]] | None = None,
    *,
    kind: str = "cosine",
    published_ceiling: float | None = None,
    accelerator: str = "cpu",
    advanced: Callable[[LearnedLayer], None] = lambda layer: None,
) -> list[LearnedLayer]:
    """Learn at every layer, one after the other; arguments by layer as for `learn_layer`.

    Args:
        depths: Depth of each layer.
        features: Of the objects.
        folds: The splits, the same for all.
        recipes: How.
        images: Features of the local term.
        kind: See `learn_layer`.
        published_ceiling: See `learn_layer`.
        accelerator: See `learn_layer`.
        advanced: Hears of every layer when it is done.
    """
    found = []
    for layer, depth in depths.items():
        local = None if images is None else images[layer]
        one = learn_layer(
            layer,
            depth,
            features[layer],
            folds,
            recipes[layer],
            local,
            kind=kind,
            published_ceiling=published_ceiling,
            accelerator=accelerator,
        )
        found.append(one)
        advanced(one)
    return found
