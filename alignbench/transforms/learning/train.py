"""Learning one transform: Lightning's loop, stopped early on held-out loss, with the best weights kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from alignbench.errors import AlignbenchError, UsageError
from alignbench.extraction.distributed import interruptible, make_trainer, quietly
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.learning.folds import Fold
from alignbench.transforms.learning.losses import (
    frobenius,
    gram_triplet_loss,
    local_loss,
    scaled_identity,
    soft_triplet_loss,
    triplet_loss,
)
from alignbench.transforms.learning.recipe import Recipe

FEWEST_IMAGES: Final = 30  # of the local term
_HELD_OUT_IMAGES: Final = 0.1  # share of the images of the local term that judge it
_MOMENTUM: Final = 0.9


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch.

    Attributes:
        number: Number of the epoch, from 0.
        train_loss: Mean of the whole objective over its batches.
        held_out_loss: The objective without penalty on held-out triplets (and images): what stops it.
        held_out_triplet_loss: The part of the triplets.
    """

    number: int
    train_loss: float
    held_out_loss: float
    held_out_triplet_loss: float


@dataclass(frozen=True)
class Learned:
    """A transform and how it came about.

    Attributes:
        transform: The transform with the weights of the best epoch.
        epochs: All epochs.
        best: Number of the best epoch.
    """

    transform: AffineTransform
    epochs: tuple[Epoch, ...]
    best: int

    @property
    def loss(self) -> float:
        """Held-out loss of the triplets at the best epoch."""
        return self.epochs[self.best].held_out_triplet_loss


def learn(
    features: NDArray[np.floating],
    fold: Fold,
    recipe: Recipe,
    images: NDArray[np.floating] | None = None,
    accelerator: str = "cpu",
) -> Learned:
    """Learn a transform on one fold.

    Args:
        features: Features of the objects, (n, d), un-normalised; they are standardised here by two scalars.
        fold: Which triplets train, and which validate.
        recipe: How it is learned.
        images: Features of other images, (m, d), for the local term of gLocal.
        accelerator: `cpu` or `cuda`.

    Raises:
        UsageError: If the recipe is impossible, or gLocal has no images, or they are of another width.
        AlignbenchError: If the loss stops being finite, or the features do not vary.
    """
    recipe = recipe.checked()
    mean, std = float(features.mean(dtype=np.float64)), float(features.std(dtype=np.float64))
    if not std > 0:
        raise AlignbenchError("all features are alike: there is nothing to learn a transform of them from")
    standard = torch.from_numpy(((features - mean) / std).astype(np.float32))
    module = TransformLearning(standard, fold, recipe, _local_features(features, images, recipe, mean, std))
    stopping = EarlyStopping("held_out_loss", patience=recipe.patience, check_finite=False)
    with quietly(), interruptible(), torch.random.fork_rng(devices=[]):
        trainer = make_trainer(
            accelerator,
            1,
            1,
            [stopping, _KeepBest()],
            max_epochs=recipe.epochs,
            min_epochs=min(recipe.fewest_epochs, recipe.epochs),
            gradient_clip_val=recipe.clip,
            num_sanity_val_steps=0,
        )
        batches = TripletBatches(module.train_triplets, module.train_images, recipe, module.targets)
        loader: DataLoader[object] = DataLoader(batches, batch_size=None)
        trainer.fit(module, loader, DataLoader(_Once(), batch_size=None))
    weights, bias = module.best
    found = AffineTransform(weights, mean, std, bias)
    return Learned(found, tuple(module.history), module.best_epoch.number)


def _local_features(
    features: NDArray[np.floating], images: NDArray[np.floating] | None, recipe: Recipe, mean: float, std: float
) -> Tensor | None:
    """Features of the local term, standardised by the objects' scalars."""
    if recipe.objective != "glocal":
        return None
    if images is None:
        raise UsageError("gLocal keeps the local structure of images: give features of some, or learn otherwise")
    if images.shape[1:] != features.shape[1:]:
        raise UsageError(f"images have features of {images.shape[1:]}, and objects of {features.shape[1:]}")
    check_images(len(images))
    local = images if recipe.raw_local else (images - mean) / std
    return torch.from_numpy(local.astype(np.float32))


def check_images(count: int) -> None:
    """Refuse too few images for the local term.

    Raises:
        UsageError: If there are fewer than `FEWEST_IMAGES`.
    """
    if count < FEWEST_IMAGES:
        raise UsageError(f"{count} images say too little about local structure: use {FEWEST_IMAGES} at least")


class _Once(IterableDataset[int]):
    """One batch of nothing: what judges is in the module."""

    def __iter__(self) -> Iterator[int]:
        yield 0


class TripletBatches(IterableDataset[tuple[Tensor, ...]]):
    """Batches of an epoch: triplets in a new order, each with a draw of images, and with targets if there are any.

    Args:
        triplets: (t, 3).
        images: Features of the local term, (m, d), or none, (0, d).
        recipe: Sizes of the batches, and the seed.
        targets: Probabilities of the choices, (t, 3), for the objective `soft`.
    """

    def __init__(self, triplets: Tensor, images: Tensor, recipe: Recipe, targets: Tensor | None = None) -> None:
        self.triplets, self.images, self.size = triplets, len(images), recipe.triplets
        self.targets = targets
        self.images_at_once = min(recipe.images, len(images))
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def __len__(self) -> int:
        return -(-len(self.triplets) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = torch.randperm(len(self.triplets), generator=self.generator)
        for rows in order.split(self.size):
            drawn = torch.randperm(self.images, generator=self.generator)[: self.images_at_once]
            soft = () if self.targets is None else (self.targets[rows],)
            yield self.triplets[rows], drawn, *soft


class TransformLearning(lightning.LightningModule):
    """W and b, and what they are judged by.

    Args:
        features: Standardised features of the objects, (n, d).
        fold: Which triplets train, and which validate.
        recipe: How it is learned.
        images: Features of the local term, (m, d); none without it.
    """

    def __init__(self, features: Tensor, fold: Fold, recipe: Recipe, images: Tensor | None) -> None:
        super().__init__()
        self.recipe = recipe
        generator = torch.Generator().manual_seed(recipe.seed)
        width = features.shape[1]
        local = torch.empty(0, width) if images is None else images
        order = torch.randperm(len(local), generator=generator)
        held_out = round(_HELD_OUT_IMAGES * len(local))
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("train_images", local[order[held_out:]], persistent=False)
        self.register_buffer("judging_images", local[order[:held_out]][: recipe.images], persistent=False)
        self.register_buffer("held_out", features[torch.from_numpy(fold.held_out)], persistent=False)
        places = np.searchsorted(fold.held_out, fold.validate)  # held-out objects by their place among themselves
        self.register_buffer("validate_triplets", torch.from_numpy(places), persistent=False)
        self.train_triplets, self.targets = _training(fold, recipe)
        if recipe.objective == "naive":
            weights, bias = 1e-3 * torch.randn(width, width, generator=generator), torch.zeros(width)
        else:
            weights, bias = 1e-3 * torch.eye(width), torch.full((width,), 1e-3)
        self.weights = nn.Parameter(weights)
        self.bias = nn.Parameter(bias) if recipe.bias else None
        self.history: list[Epoch] = []
        self.losses: list[Tensor] = []
        self.kept: tuple[Tensor, Tensor | None] = (weights, bias)

    features: Tensor
    train_images: Tensor
    judging_images: Tensor
    held_out: Tensor
    validate_triplets: Tensor

    def transformed(self, features: Tensor) -> Tensor:
        """Apply the transform to standardised features: XW + b."""
        return features @ self.weights if self.bias is None else torch.addmm(self.bias, features, self.weights)

    def objective(self, triplet_part: Tensor, images: Tensor) -> Tensor:
        """Triplets and local term, without the penalty."""
        if self.recipe.objective != "glocal":
            return triplet_part
        local = local_loss(images, self.transformed(images), self.recipe.tau)
        return (1.0 - self.recipe.alpha) * triplet_part + self.recipe.alpha * local

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """The whole objective on a batch."""
        triplets, drawn, *soft = batch
        embedded = self.transformed(self.features[triplets.flatten()]).view(len(triplets), 3, -1)
        part = soft_triplet_loss(embedded, *soft) if soft else triplet_loss(embedded)
        found = self.objective(part, self.train_images[drawn])
        penalty = frobenius if self.recipe.penalty == "frobenius" else scaled_identity
        found = found + self.recipe.lam * penalty(self.weights)
        self.losses.append(found.detach())
        return found

    def validation_step(self, batch: object, batch_idx: int) -> None:
        """All held-out triplets at once."""
        triplets = gram_triplet_loss(self.transformed(self.held_out), self.validate_triplets)
        loss = self.objective(triplets, self.judging_images)
        self.log("held_out_loss", loss, batch_size=1)
        train = torch.stack(self.losses).mean()
        self.losses.clear()
        numbers = torch.stack([train, loss, triplets]).tolist()
        if not np.isfinite(numbers).all():
            raise AlignbenchError(
                f"the loss is no finite number after epoch {len(self.history)}: use a lower learning rate"
            )
        self.history.append(Epoch(len(self.history), *numbers))

    @property
    def best_epoch(self) -> Epoch:
        """The epoch of the lowest held-out loss; of equal ones the first."""
        return min(self.history, key=lambda epoch: epoch.held_out_loss)

    @property
    def best(self) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Weights (d, d) and bias of the best epoch."""
        weights, bias = self.kept
        return weights.cpu().numpy(), None if bias is None else bias.cpu().numpy()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, or SGD with momentum."""
        if self.recipe.optimiser == "adam":
            return torch.optim.Adam(self.parameters(), lr=self.recipe.learning_rate)
        return torch.optim.SGD(self.parameters(), lr=self.recipe.learning_rate, momentum=_MOMENTUM)


def _training(fold: Fold, recipe: Recipe) -> tuple[Tensor, Tensor | None]:
    """The triplets that train, and their targets with the objective `soft`.

    Raises:
        UsageError: If that has none.
    """
    if recipe.objective != "soft":
        return torch.from_numpy(fold.train), None
    if fold.soft is None:
        raise UsageError("the objective soft learns probabilities of choices: use `alignbench alignet teacher`")
    return torch.from_numpy(fold.soft.triplets), torch.from_numpy(fold.soft.targets.astype(np.float32))


class _KeepBest(Callback):
    """Keeps the weights of the epoch with the lowest held-out loss; the released code keeps the last."""

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        assert isinstance(module, TransformLearning)
        if module.best_epoch is module.history[-1]:
            bias = module.bias
            module.kept = module.weights.detach().clone(), None if bias is None else bias.detach().clone()
