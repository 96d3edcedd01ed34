"""Pictures in the order of the schedule, read by a plain loader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from alignbench.datasets.images import ImageFiles, ImageSource
from alignbench.errors import DataError
from alignbench.extraction.host import usable_cores
from alignbench.models.preparation import PictureError

T = TypeVar("T")
Item = tuple[T, int]


class OrderedImages(Dataset[Item[T] | DataError]):
    """The pictures of a schedule in its order, each with its index.

    The order lives here, not in a sampler: a strategy that replaces samplers then cannot change it. A picture that
    cannot be decoded or prepared is handed on as its error, which survives the way out of a worker process unchanged.

    Args:
        images: All pictures.
        order: Indices of those to read.
        prepare: What is done to each in the loader's process.
        cached: Gives what `prepare` makes of the picture at an index, from the cache where it is there.
    """

    def __init__(
        self,
        images: ImageSource,
        order: NDArray[np.int64],
        prepare: Callable[[Image.Image], T],
        cached: Callable[[int], T] | None = None,
    ) -> None:
        self.images, self.order, self.prepare, self.cached = images, order, prepare, cached

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> Item[T] | DataError:
        index = int(self.order[position])
        try:
            return (self.prepare(self.images.open(index)) if self.cached is None else self.cached(index)), index
        except PictureError as error:
            images = self.images
            where = images.picture_file(index) if isinstance(images, ImageFiles) else images.names[index]
            return DataError(f"{where}: {error}")
        except DataError as error:
            return error


def stack(items: list[Item[Tensor] | DataError]) -> tuple[Tensor, Tensor] | DataError:
    """A batch of equally large tensors, or the first error among its items."""
    error = first_error(items)
    if error is not None:
        return error
    batch: tuple[Tensor, Tensor] = tuple(default_collate(items))
    return batch


def first_error(items: list[Item[T] | DataError]) -> DataError | None:
    """The first item that is an error, if any is."""
    return next((item for item in items if isinstance(item, DataError)), None)


def default_workers(images: int, sharers: int = 1) -> int:
    """Loader processes of one of the processes that share this machine.

    One core of its share is left for the model, and a handful of images needs none.
    """
    cores = usable_cores() // sharers
    fewest = 1 if sharers == 1 else 0
    return 0 if images < 64 else max(fewest, min(16, cores - 1))


@dataclass(frozen=True)
class Loading:
    """How a process reads pictures.

    Attributes:
        batch_size: Pictures a batch.
        workers: Processes that read them; none for a default.
        pin_memory: Whether batches are put where a GPU fetches them from.
        sharers: Processes that share this machine.
    """

    batch_size: int
    workers: int | None = None
    pin_memory: bool = False
    sharers: int = 1


def ordered_loader(
    dataset: OrderedImages[T], collate: Callable[[list[Item[T] | DataError]], object], loading: Loading
) -> DataLoader[Item[T] | DataError]:
    """A loader that hands out pictures in their order, so that its batches are the steps of a schedule."""
    workers = default_workers(len(dataset), loading.sharers) if loading.workers is None else loading.workers
    return DataLoader(
        dataset,
        loading.batch_size,
        shuffle=False,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=loading.pin_memory,
    )
