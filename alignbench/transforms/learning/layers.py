"""Transforms of many layers, learned on folds of objects and judged on the objects that each fold holds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.evaluation.choice_probabilities import (
    ChoiceScore,
    best_scale,
    dot_products,
    judge_probabilities,
    log_choices,
)
from alignbench.transforms.evaluation.odd_one_out import OddOneOut, judge_choices, softmax_entropy, triplet_distances
from alignbench.transforms.learning.folds import SAVED, Fold
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.train import Learned, learn


@dataclass(frozen=True)
class LayerFeatures:
    """What a transform of a layer is learned from.

    Attributes:
        layer: Name of the layer.
        depth: Its depth in percent of the network.
        objects: Features of the objects, (n, d), un-normalised.
        local: Features of the pictures of the local term, (m, d); none without that term.
    """

    layer: str
    depth: float
    objects: NDArray[np.floating[Any]]
    local: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True)
class Judging:
    """How choices on held-out triplets are judged.

    Attributes:
        similarity: Similarity of the choices: `cosine`, `euclidean` or `dot`.
        published_ceiling: Noise ceiling of triplets that are not repeated; none if none is published.
    """

    similarity: str = "cosine"
    published_ceiling: float | None = None


@dataclass(frozen=True, eq=False)
class JudgedProbabilities:
    """Probabilities of choices among held-out objects, held against every choice that was made.

    Before, they are those of the standardised features times one scale that fits the choices of the training objects
    best, as an infinitely strong identity penalty would learn it; after, the softmax has the temperature 1.

    Attributes:
        triplets: The triplets that judge, (n, 3), the odd one last.
        logs: Logarithms of the probabilities after, (n, 3).
        scores: Log loss, calibration error and accuracy.
        scales: The scale of the dot products before, of each fold.
    """

    triplets: Indices
    logs: Floats
    scores: tuple[ChoiceScore, ...]
    scales: tuple[float, ...]


@dataclass(frozen=True)
class LearnedLayer:
    """What was learned at one layer.

    Attributes:
        layer: Name of the layer.
        depth: Its depth in percent of the network.
        recipe: Recipe by which it was learned.
        folds: The transform of each fold.
        judged: Choices on held-out objects: each fold's triplets by the transform that never saw their objects.
        entropy: Mean entropy in nats of the softmax of the dot products of these triplets after the transform.
        probabilities: With the objective `soft`, how well the same triplets' choices are foretold.
    """

    layer: str
    depth: float
    recipe: Recipe
    folds: tuple[Learned, ...]
    judged: OddOneOut
    entropy: float
    probabilities: JudgedProbabilities | None = None

    @property
    def loss(self) -> float:
        """Mean over folds of the held-out loss on triplets: what a search makes small."""
        return float(np.mean([learned.loss for learned in self.folds]))

    @property
    def transform(self) -> AffineTransform:
        """The transform of the first fold: to take that of the lowest loss would be to take the easiest fold's."""
        return self.folds[SAVED].transform


def learn_layer(
    features: LayerFeatures,
    folds: Sequence[Fold],
    recipe: Recipe,
    judging: Judging = Judging(),
    accelerator: str = "cpu",
) -> LearnedLayer:
    """Learn a transform on each fold of one layer, and judge them together.

    Args:
        features: Features of objects and pictures at the layer.
        folds: Folds of the objects.
        recipe: How transforms are learned.
        judging: How choices are judged.
        accelerator: `cpu` or `cuda`.
    """
    objects, kind = features.objects, judging.similarity
    learned = tuple(learn(objects, fold, recipe, features.local, accelerator) for fold in folds)
    before: list[Floats] = []
    after: list[Floats] = []
    entropies = []
    for fold, found in zip(folds, learned, strict=True):
        aligned = found.transform.apply(np.asarray(objects, dtype=np.float64))
        before.append(triplet_distances(objects, fold.judge, kind))
        after.append(triplet_distances(aligned, fold.judge, kind))
        entropies.append(softmax_entropy(aligned, fold.judge))
    triplets = np.concatenate([fold.judge for fold in folds])
    entropy = float(np.average(entropies, weights=[len(fold.judge) for fold in folds]))
    judged = judge_choices(
        np.concatenate(before), np.concatenate(after), triplets, judging.published_ceiling, recipe.seed
    )
    probabilities = _judged_probabilities(objects, folds, learned) if recipe.objective == "soft" else None
    return LearnedLayer(features.layer, features.depth, recipe, learned, judged, entropy, probabilities)


def _judged_probabilities(
    objects: NDArray[np.floating[Any]], folds: Sequence[Fold], learned: Sequence[Learned]
) -> JudgedProbabilities:
    """Each fold's triplets by the transform that never saw their objects."""
    x = np.asarray(objects, dtype=np.float64)
    before, after, scales = [], [], []
    for fold, found in zip(folds, learned, strict=True):
        standard = (x - found.transform.mean) / found.transform.std
        scales.append(best_scale(dot_products(standard, fold.train)))
        before.append(log_choices(scales[-1] * dot_products(standard, fold.judge)))
        after.append(log_choices(dot_products(found.transform.apply(x), fold.judge)))
    triplets, logs = np.concatenate([fold.judge for fold in folds]), np.concatenate(after)
    scores = judge_probabilities(np.concatenate(before), logs, triplets)
    return JudgedProbabilities(triplets, logs, tuple(scores), tuple(scales))
