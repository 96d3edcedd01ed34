"""From pictures to distances per pair for a plain pair metric: no model, no layers, the same flow of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alignbench.datasets.images import ImageSource
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.listening import Listener
from alignbench.extraction.loading import Item, OrderedImages, first_error, ordered_loader
from alignbench.extraction.plan import Plan


@runtime_checkable
class PairMetric(Protocol):
    """The door `alignbench.metrics`: an image-quality metric, or anything that gives distances of pairs of pictures.

    Attributes:
        name: What it is called on the command line.
        distance: What its distance is called in results.
        min_side: Smallest side in pixels that it can take.
    """

    name: str
    distance: str
    min_side: int

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances of pairs: two (pairs, 3, H, W) float32 tensors, RGB in [0, 1], to (pairs,)."""
        ...


@dataclass(frozen=True)
class Sized:
    """A picture as (3, H, W) uint8, resized to a common side (PIL, bicubic) or at its native size."""

    side: int | None

    def __call__(self, image: Image.Image) -> Tensor:
        """The prepared picture."""
        if self.side is not None:
            image = image.resize((self.side, self.side), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def _keep(items: list[Item[Tensor] | DataError]) -> list[Item[Tensor]] | DataError:
    return first_error(items) or [item for item in items if not isinstance(item, DataError)]


def metric_distances(
    metric: PairMetric,
    images: ImageSource,
    plan: Plan,
    pairs: NDArray[np.int64],
    side: int | None,
    workers: int | None,
    listener: Listener,
) -> NDArray[np.float64]:
    """Distances of all pairs.

    Args:
        metric: The metric.
        images: The pictures.
        plan: The order in which they flow.
        pairs: Image indices, (P, 2).
        side: Side in pixels to which all are resized; none for their native size.
        workers: Loader processes; none for a default.
        listener: Hears of every batch.

    Returns:
        (1, pairs), float64: one layer.

    Raises:
        DataError: If a picture is damaged or too small, or the two of a pair differ in size.
        AlignbenchError: If the metric gives a number that is not finite.
    """
    found = np.full(len(pairs), np.nan)
    slots: list[Tensor] = [torch.empty(0)] * plan.slots
    loader = ordered_loader(OrderedImages(images, plan.order, Sized(side)), plan, workers, _keep)
    for step, batch in zip(plan.steps, loader, strict=True):
        if isinstance(batch, DataError):
            raise batch
        for slot, (pixels, index) in zip(step.slots.tolist(), batch, strict=True):
            if min(pixels.shape[1:]) < metric.min_side:
                size = "x".join(map(str, reversed(pixels.shape[1:])))
                raise DataError(
                    f"{images.names[index]} is {size} pixels, and {metric.name} needs at least {metric.min_side}"
                )
            slots[slot] = pixels
        for rows in _by_size(step.first, step.second, step.pairs, slots, _describe(images, pairs)):
            first, second = (
                torch.stack([slots[slot] for slot in ends[rows].tolist()]).float() / 255.0
                for ends in (step.first, step.second)
            )
            with torch.inference_mode():
                distances = metric(first, second).double().cpu().numpy()
            found[step.pairs[rows]] = distances
            if not np.isfinite(distances).all():
                pair = int(step.pairs[rows][int(np.argmin(np.isfinite(distances)))])
                raise AlignbenchError(f"{metric.name} gave no finite number for {_describe(images, pairs)(pair)}")
        listener.advanced(len(batch))
    return found[None]


def _describe(images: ImageSource, pairs: NDArray[np.int64]) -> Callable[[int], str]:
    return lambda pair: " and ".join(images.names[int(image)] for image in pairs[pair])


def _by_size(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    pairs: NDArray[np.int64],
    slots: list[Tensor],
    describe: Callable[[int], str],
) -> list[list[int]]:
    """Positions of pairs of one size, in batches of at most 16."""
    groups: dict[torch.Size, list[int]] = defaultdict(list)
    for position, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if slots[a].shape != slots[b].shape:
            raise DataError(f"{describe(int(pairs[position]))} differ in size, so they cannot be compared")
        groups[slots[a].shape].append(position)
    return [rows[start : start + 16] for rows in groups.values() for start in range(0, len(rows), 16)]
