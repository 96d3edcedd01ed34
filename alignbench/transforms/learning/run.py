"""Learning transforms for a model: from the judgments of a data set to a folder of transforms.

judgments, images -> features of all layers, once -> folds of objects -> a transform a layer and fold -> folder
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.datasets import DATASETS
from alignbench.datasets.data_set import DataSet
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.errors import UsageError, counted, unknown
from alignbench.extraction.features import ReadyTower
from alignbench.models.layer_names import counted_layers
from alignbench.transforms.evaluation.odd_one_out import KINDS, to_triplets
from alignbench.transforms.learning.bases import LearningBase, Pictures, TowerBase
from alignbench.transforms.learning.folder import (
    Destination,
    LearnedTransforms,
    is_learned,
    learned_name,
    write_learned,
)
from alignbench.transforms.learning.folds import SAVED, Fold, SoftTargets, object_folds, split_triplets
from alignbench.transforms.learning.inputs import digest_of_images, local_pictures, varying_layers
from alignbench.transforms.learning.judged_choices import HeldOutChoices, check_same_choices
from alignbench.transforms.learning.layers import Judging, LayerFeatures, LearnedLayer, learn_layer
from alignbench.transforms.learning.progress import LearningListener
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.search import Journal, Trial, search
from alignbench.transforms.learning.train import check_images


@dataclass(frozen=True)
class LearningConfig:
    """What to learn, and on what.

    Attributes:
        dataset: Name of a data set of odd-one-out triplets.
        data_root: Its folder; none for packaged sets.
        subsets: Subsets whose triplets are taken; empty for `trainset`.
        limit: Number of triplets of each subset that are taken, from the first on; none for all.
        layers: Names of layers, see `choose_layers`.
        recipe: How transforms are learned.
        folds: Number of folds of objects.
        local_images: For gLocal: a folder of pictures, or the name of a packaged data set; none for that of a packaged
            data set of triplets.
        similarity: Similarity of the choices that judge: `cosine`, `euclidean` or `dot`.
        trials: Trials of a search for hyper-parameters at each layer; 0 for none.
        pixel_cache: Folder of prepared pixels, `off`, or none for the default one.
        against: For the objective `soft`: a folder that was learned before, on whose choices what is learned is to be
            judged, too; one that was judged on others is refused before anything is learned.
    """

    dataset: str
    data_root: Path | None = None
    subsets: tuple[str, ...] = ()
    limit: int | None = None
    layers: tuple[str, ...] = ("projection",)
    recipe: Recipe = field(default_factory=Recipe)
    folds: int = 3
    local_images: str | None = None
    similarity: str = "cosine"
    trials: int = 0
    pixel_cache: str | None = None
    against: Path | None = None

    def checked(self) -> LearningConfig:
        """The job, if what it names can be there; nothing is read.

        Raises:
            UsageError: If it names something impossible.
        """
        data_set = DATASETS.load(self.dataset)
        if data_set.kind != "choice" or data_set.level != "high":
            raise UsageError(f"{self.dataset} has no odd-one-out triplets: learn on things or shapes-high")
        if self.similarity not in KINDS:
            raise unknown("similarity", self.similarity, KINDS)
        if self.trials < 0:
            raise UsageError(f"trials {self.trials} are below 0")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit {self.limit} is below 1")
        if not self.layers:
            raise UsageError("no layer to learn a transform of: name some with --layers")
        if self.recipe.objective == "glocal" and self.local_images is None and not data_set.packaged:
            raise UsageError(
                "gLocal keeps the local structure of other images: name a folder of them with --local-images"
            )
        if self.recipe.objective != "glocal" and self.local_images is not None:
            raise UsageError(
                f"local images go with the objective glocal, not with {self.recipe.objective}: leave --local-images out"
            )
        return replace(self, recipe=self.recipe.checked())


def learn_transforms(
    job: LearningConfig,
    ready: ReadyTower | LearningBase,
    destination: Destination[pd.DataFrame],
    listener: LearningListener | None = None,
    targets: SoftTargets | None = None,
) -> tuple[Path, bool]:
    """Learn what a job asks for, unless it is finished.

    Args:
        job: What to learn, and on what.
        ready: The model; of its view one token must be left (`cls` or `mean`, or the projection alone). Or features
            that exist.
        destination: Where the folder goes, with the figure of the ceiling.
        listener: Hears of the progress.
        targets: For the objective `soft`: what gives the probabilities that it learns.

    Returns:
        The folder, and whether it was finished before.

    Raises:
        UsageError: If what is asked for contradicts itself.
        DataError: If data are missing, or leave nothing to learn or to validate.
        AlignbenchError: If features or losses are not finite, or the folder cannot be written.
    """
    listener, start = listener or LearningListener(), time.perf_counter()
    job = job.checked()
    recipe, base = job.recipe, TowerBase(ready) if isinstance(ready, ReadyTower) else ready
    if (targets is None) is (recipe.objective == "soft"):
        raise UsageError("probabilities go with the objective soft, and it with them: use `alignbench alignet teacher`")
    layers = base.layers(job.layers)
    data_set, judgments = _judgments(job)
    triplets, objects = to_triplets(judgments), len(judgments.images.names)
    folds = [
        split_triplets(triplets, objects, held, recipe.seed) for held in object_folds(objects, job.folds, recipe.seed)
    ]
    local = local_pictures(job.local_images, data_set) if recipe.objective == "glocal" else None
    if local is not None:
        check_images(len(local.names))
    identities = judgments.images.identities()
    pictures = Pictures(judgments.images, local, job.pixel_cache)
    settings = _settings(job, base, judgments, identities, local)
    settings |= {} if targets is None else {"targets": dict(targets.settings())}
    folder = destination.output / learned_name(settings["model"], job.dataset, settings)
    if job.against is not None:
        judged = np.concatenate([fold.judge for fold in folds])
        told = HeldOutChoices(tuple(judgments.images.names), judged, {layer.name: np.empty(0) for layer in layers})
        check_same_choices(job.against, "what is to be learned", told)
    if is_learned(folder, targets is not None) and not destination.overwrite:
        return folder, True
    base.check(pictures)
    folds, about_targets = _softened(folds, targets, listener)
    listener.planned(
        f"{counted(pictures.count, 'image')}, {counted_layers(len(layers))}, {base.device}", pictures.count
    )
    features, images = base.features(layers, pictures, listener.embedded)
    layers = varying_layers(layers, features, settings["tokens"])
    extent = (
        f"{counted(len(triplets), 'triplet')} of {objects:,} objects, {counted_layers(len(layers))}, {job.folds} folds"
    )
    listener.learning(f"learning {recipe.objective}: {extent}")
    journal = destination.output / f".search-{folder.name.rpartition('__')[2]}.journal"
    found: list[LearnedLayer] = []
    tried: dict[str, list[Trial]] = {}
    judging = Judging(job.similarity, data_set.published_ceiling)
    for layer in layers:
        seen = LayerFeatures(layer.name, layer.depth, features[layer.name], images.get(layer.name))
        attempt = partial(learn_layer, seen, folds, judging=judging, accelerator=base.device)
        if job.trials:
            learned, tried[layer.name] = _searched(job, attempt, Journal(journal, layer.name), listener)
        else:
            learned = attempt(recipe)
        found.append(learned)
        listener.learned(learned)
    held_out = [fold.held_out.tolist() for fold in folds]
    details = _details(folds, triplets, time.perf_counter() - start, base.device) | about_targets
    result = LearnedTransforms(found, judgments.images.names, held_out, tried)
    written = write_learned(destination, result, settings, details)
    journal.unlink(missing_ok=True)
    return written, False


def _softened(
    folds: Sequence[Fold], targets: SoftTargets | None, listener: LearningListener
) -> tuple[list[Fold], dict[str, Any]]:
    """Folds with the probabilities of their choices, and what the record says of these."""
    if targets is None:
        return list(folds), {}
    found, told = [], []
    for number, fold in enumerate(folds):
        listener.targets(number, len(folds), len(fold.train))
        soft, about = targets.of(fold.train)
        found.append(replace(fold, soft=soft))
        told.append(dict(about))
    return found, {"fold_targets": told}


def _searched(
    job: LearningConfig,
    attempt: Callable[[Recipe], LearnedLayer],
    journal: Journal,
    listener: LearningListener,
) -> tuple[LearnedLayer, list[Trial]]:
    """What the best recipe gives, learned again only if its trial was in an earlier process; and all trials."""
    lowest: LearnedLayer | None = None

    def judge(recipe: Recipe) -> float:
        nonlocal lowest
        found = attempt(recipe)
        if lowest is None or found.loss < lowest.loss:
            lowest = found
        return found.loss

    best, tried = search(job.recipe, judge, job.trials, journal, partial(listener.tried, journal.study))
    return lowest if lowest is not None and lowest.recipe == best else attempt(best), tried


def _judgments(job: LearningConfig) -> tuple[DataSet, Judgments]:
    data_set = DATASETS.load(job.dataset)
    judgments = data_set.read(job.data_root, job.subsets or ("trainset",))
    return data_set, judgments if job.limit is None else judgments.limited(job.limit)


def _settings(
    job: LearningConfig,
    base: LearningBase,
    judgments: Judgments,
    identities: Sequence[str],
    local: ImageSource | None,
) -> dict[str, Any]:
    """Everything that can change a number."""
    told = base.told
    return {
        "model": told.model,
        "model_fingerprint": told.fingerprint,
        **({} if told.features is None else {"features": told.features}),
        "dataset": job.dataset,
        "subset": [subset.name for subset in judgments.subsets],
        "limit": job.limit,
        "data_fingerprint": judgments.fingerprint(identities),
        "layers": [layer.name for layer in base.layers(job.layers)],
        "tokens": told.tokens,
        "precision": told.precision,
        "recipe": asdict(job.recipe),
        "folds": job.folds,
        "saved_fold": SAVED,
        "local_images": None if local is None else digest_of_images(local),
        "similarity": job.similarity,
        "trials": job.trials,
    }


def _details(folds: Sequence[Fold], triplets: Any, seconds: float, device: str) -> dict[str, Any]:
    packages = ("alignbench", "torch", "lightning", "optuna", "scikit-learn", "numpy")
    return {
        "triplets": len(triplets),
        "fold_triplets": [
            {"train": len(fold.train), "validate": len(fold.validate), "judge": len(fold.judge)} for fold in folds
        ],
        "device": device,
        "seconds": round(seconds, 3),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
