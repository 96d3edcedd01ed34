"""Judging a transform of a model: on which data, and the folder that results are left in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.errors import UsageError, unknown
from alignbench.extraction.features import FeatureExtractor, ReadyTower, extract_features
from alignbench.models.towers import Layer
from alignbench.results.folders import folder_of
from alignbench.results.run_folder import run_hash
from alignbench.transforms.evaluation.folder import Evaluated, EvaluationRow, is_evaluated, write_evaluated
from alignbench.transforms.evaluation.leakage import judged_triplets, sample_of_images, sample_of_matrix
from alignbench.transforms.evaluation.measures import applied, downstream_rows, local_rows, odd_one_out_rows, rsa_rows
from alignbench.transforms.evaluation.odd_one_out import (
    KINDS,
    judge_choices,
    softmax_entropy,
    to_triplets,
    triplet_distances,
)
from alignbench.transforms.evaluation.similarity import similarities
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.learning.inputs import digest_of_images
from alignbench.transforms.learning.progress import LearningListener
from alignbench.transforms.named import NamedTransform


@dataclass(frozen=True)
class Labelled:
    """Pictures in classes.

    Attributes:
        name: Name of the pictures.
        images: The pictures.
        labels: The class of each, (n,).
    """

    name: str
    images: ImageSource
    labels: Indices


@dataclass(frozen=True)
class Evidence:
    """What a transform is judged on.

    Attributes:
        dataset: Name of a data set of odd-one-out triplets; none without triplets.
        judgments: Its judgments.
        ceiling: Its published noise ceiling.
        similarity: Similarity of the choices.
        in_sample: Whether to judge also on triplets of objects that the transform was learned on.
        matrices: Human similarity matrices.
        local: Pictures whose neighbourhoods are looked at, and their name.
        labelled: Pictures in classes.
    """

    dataset: str | None = None
    judgments: Judgments | None = None
    ceiling: float | None = None
    similarity: str = "cosine"
    in_sample: bool = False
    matrices: tuple[HumanMatrix, ...] = ()
    local: tuple[str, ImageSource] | None = None
    labelled: Labelled | None = None

    def check(self) -> None:
        """Find out before any picture is embedded that there is nothing to judge on, or that it cannot be used.

        Raises:
            UsageError: If there is nothing, a name is unknown or given twice, or judgments are no triplets.
        """
        if not self.pictures:
            raise UsageError("nothing to judge the transform on: name triplets, matrices, or folders of pictures")
        if self.similarity not in KINDS:
            raise unknown("similarity", self.similarity, KINDS)
        names = [matrix.name for matrix in self.matrices]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"the human matrix {twice} is named twice: name one folder of it")
        if self.judgments is not None:
            to_triplets(self.judgments)

    @property
    def pictures(self) -> list[ImageSource]:
        """The pictures whose features are needed."""
        found: list[ImageSource] = [matrix.images for matrix in self.matrices]
        found += [] if self.judgments is None else [self.judgments.images]
        found += [] if self.local is None else [self.local[1]]
        return found + ([] if self.labelled is None else [self.labelled.images])


# Rows of the table; and whose similarities a figure may show, and these by name.
_Part = tuple[list[EvaluationRow], str, dict[str, Floats]]


def evaluate(
    chosen: NamedTransform,
    evidence: Evidence,
    features: Callable[[ImageSource], Floats],
    seed: int = 0,
    digest: Callable[[ImageSource], str] = digest_of_images,
) -> Evaluated:
    """Judge a transform by everything there is.

    Args:
        chosen: The transform.
        evidence: The data to judge it on.
        features: Gives the features of pictures at the transform's layer, (n, d) float64.
        seed: Seed of resampling.
        digest: Digests of pictures, by which those are known that the transform has seen; it looks into each file.

    Raises:
        UsageError: See `Evidence.check`.
        DataError: If all triplets are of objects that it was learned on, or a class has too few pictures.
    """
    evidence.check()
    parts = [_by_matrix(chosen, matrix, features(matrix.images), seed) for matrix in evidence.matrices]
    if evidence.judgments is not None:
        parts.append(_by_triplets(chosen, evidence, evidence.judgments, features, seed))
    if evidence.local is not None:
        name, images = evidence.local
        sample = sample_of_images(chosen, images, digest)
        parts.append(_by_neighbours(chosen, name, features(images), sample, seed))
    if evidence.labelled is not None:
        sample = sample_of_images(chosen, evidence.labelled.images, digest)
        parts.append(_by_classes(chosen, evidence.labelled, features(evidence.labelled.images), sample))
    return Evaluated(tuple(row for rows, *_ in parts for row in rows), *parts[0][1:])


def _by_matrix(chosen: NamedTransform, matrix: HumanMatrix, before: Floats, seed: int) -> _Part:
    after = applied(chosen.transform, before)
    people = np.full((len(before), len(before)), np.nan)
    rows, columns = np.triu_indices(len(before), 1)
    people[rows, columns] = people[columns, rows] = -matrix.dissimilarities
    found = rsa_rows(matrix, before, after, sample_of_matrix(chosen, matrix))
    return found, matrix.name, _matrices(before, after) | {"people": people}


def _by_triplets(
    chosen: NamedTransform,
    evidence: Evidence,
    judgments: Judgments,
    features: Callable[[ImageSource], Floats],
    seed: int,
) -> _Part:
    """Features are asked for when it is known that triplets are left."""
    dataset, kind = evidence.dataset or judgments.dataset, evidence.similarity
    triplets, sample = judged_triplets(chosen, dataset, judgments, evidence.in_sample)
    before = features(judgments.images)
    after = applied(chosen.transform, before)
    first, second = (triplet_distances(found, triplets, kind) for found in (before, after))
    judged = judge_choices(first, second, triplets, evidence.ceiling, seed)
    objects = np.unique(triplets)
    entropies = softmax_entropy(before, triplets), softmax_entropy(after, triplets)
    rows = odd_one_out_rows(judged, dataset, kind, sample, entropies)
    return rows, f"{dataset}, {sample}", _matrices(before[objects], after[objects])


def _by_neighbours(chosen: NamedTransform, name: str, before: Floats, sample: str, seed: int) -> _Part:
    rows = local_rows(chosen.transform, before, name, sample, seed)
    return rows, name, _matrices(before, applied(chosen.transform, before))


def _by_classes(chosen: NamedTransform, labelled: Labelled, before: Floats, sample: str) -> _Part:
    after = applied(chosen.transform, before)
    rows = downstream_rows(before, after, labelled.labels, labelled.name, sample)
    order = np.argsort(labelled.labels, kind="stable")
    return rows, labelled.name, _matrices(before[order], after[order])


def _matrices(before: Floats, after: Floats) -> dict[str, Floats]:
    return {"before": similarities(before, "cosine"), "after": similarities(after, "cosine")}


# ---------------------------------------------------------------------------------------------------- folder


@dataclass(frozen=True)
class Candidate:
    """A transform to be judged, and the model whose features it takes.

    Attributes:
        chosen: The transform.
        ready: The model, and how it is read.
        layer: The layer whose features the transform takes.
    """

    chosen: NamedTransform
    ready: ReadyTower
    layer: Layer


def run_evaluation(
    candidate: Candidate,
    evidence: Evidence,
    destination: Destination[Evaluated],
    seed: int = 0,
    listener: LearningListener | None = None,
) -> tuple[Path, bool]:
    """Judge a transform of a model, unless that is finished.

    Args:
        candidate: The transform and the model.
        evidence: The data to judge it on.
        destination: Where the folder goes, with the figure of similarities.
        seed: Seed of resampling.
        listener: Hears of the progress.

    Returns:
        The folder, and whether it was finished before.

    Raises:
        AlignbenchError: For the reasons of `evaluate` and `extract_features`, or if the folder cannot be written.
    """
    evidence.check()
    digest = cast("Callable[[ImageSource], str]", cache(digest_of_images))
    chosen, ready, layer = candidate.chosen, candidate.ready, candidate.layer
    settings = _settings(candidate, evidence, digest) | {"seed": seed}
    folder = destination.output / folder_of(f"{ready.label}@{chosen.name}", "evaluation", run_hash(settings))
    if is_evaluated(folder) and not destination.overwrite:
        return folder, True

    heard = listener or LearningListener()
    count = sum(len(images.names) for images in evidence.pictures)
    heard.planned(f"{count:,} images, {layer.name}, {ready.reading.device}", count)

    extractor = FeatureExtractor(ready.tower, [layer], ready.reading)

    def features(images: ImageSource) -> Floats:
        return extract_features(extractor, images, advanced=heard.embedded)[layer.name].astype(np.float64)

    found = evaluate(chosen, evidence, features, seed, digest)
    details = {"title": found.title, "provenance": chosen.record()["provenance"]}
    write_evaluated(folder, found, {"settings": settings, **details}, destination.draw)
    return folder, False


def _settings(candidate: Candidate, evidence: Evidence, digest: Callable[[ImageSource], str]) -> dict[str, Any]:
    """Everything that can change a number."""
    chosen, ready, layer = candidate.chosen, candidate.ready, candidate.layer
    judgments, labelled = evidence.judgments, evidence.labelled
    return {
        "model": ready.label,
        "model_fingerprint": ready.tower.fingerprint,
        "transform": chosen.settings() | {"provenance": _digest(json.dumps(dict(chosen.transform.provenance)))},
        "layer": layer.name,
        "tokens": ready.reading.view,
        "precision": ready.reading.precision,
        "dataset": evidence.dataset,
        "data_fingerprint": None if judgments is None else judgments.fingerprint(judgments.images.identities()),
        "similarity": evidence.similarity,
        "in_sample": evidence.in_sample,
        "matrices": [
            [matrix.name, digest(matrix.images), _digest(matrix.dissimilarities.astype("<f8").tobytes())]
            for matrix in evidence.matrices
        ],
        "local": None if evidence.local is None else digest(evidence.local[1]),
        "labelled": None if labelled is None else [digest(labelled.images), labelled.labels.tolist()],
    }


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
