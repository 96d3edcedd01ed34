"""Fills the pixel cache with a data set's pictures before anything is measured: no weights, every core."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from alignbench.datasets import DATASETS
from alignbench.datasets.images import ImageFiles
from alignbench.datasets.judgments import distinct_pairs
from alignbench.errors import DataError, UsageError
from alignbench.extraction.cached_pixels import CachedPixels, entry_bytes
from alignbench.extraction.host import usable_cores
from alignbench.extraction.loader import Item, OrderedImages, first_error
from alignbench.extraction.pixel_cache import PixelCache
from alignbench.measurement.cell import Cell
from alignbench.measurement.protocol import load_judgments
from alignbench.measurement.sources import source_kind
from alignbench.models.preparation import Described, PixelRecipe

_BATCH: Final = 16
_FEW: Final = 64  # pictures that are not worth a process


@dataclass(frozen=True)
class Way:
    """A way of preparing pictures.

    Attributes:
        recipe: What it does to a picture, as text.
        prepare: Does that.
        models: Names of the models that prepare pictures like this.
    """

    recipe: PixelRecipe
    prepare: Callable[[Image.Image], Tensor]
    models: tuple[str, ...]


@dataclass(frozen=True)
class Filling:
    """What became of one way of preparing pictures.

    Attributes:
        pictures: Number of pictures.
        there: How many of them were in the cache before.
        absent: How many of them are not in the cache now.
        size: Bytes of those that are.
        seconds: Seconds that it took.
    """

    pictures: int
    there: int
    absent: int
    size: int
    seconds: float


def distinct_ways(cell: Cell, models: Sequence[str]) -> list[Way]:
    """The distinct ways in which models prepare the pictures of a data set.

    Args:
        cell: The data set, and how models are to resize; its own model does not matter.
        models: Names of models and baselines.

    Raises:
        UsageError: If a name is unknown, or pictures are not kept: packaged ones, those at their native size, and those
            of a plug-in's models.
        ModelError: If a configuration cannot be had or followed.
    """
    if DATASETS.load(cell.dataset).packaged:
        raise UsageError(f"{cell.dataset} is drawn on demand and needs no cache: choose a data set with files")
    ways: dict[PixelRecipe, Way] = {}
    for model in models:
        of_model = replace(cell, model=model).checked()
        prepare = source_kind(of_model).preparation(of_model)
        recipe = prepare.recipe if isinstance(prepare, Described) else None
        if recipe is None:
            raise UsageError(
                f"{model} takes the pictures of {cell.dataset} at their native size, which is not cached: leave it out"
            )
        known = ways[recipe].models if recipe in ways else ()
        ways[recipe] = Way(recipe, prepare, (*known, model))
    return list(ways.values())


def read_pictures(cell: Cell) -> ImageFiles:
    """The pictures that a run of a cell reads.

    Raises:
        UsageError: If they are in no files of their own.
        DataError: If data are missing or malformed.
    """
    judgments = load_judgments(cell, DATASETS.load(cell.dataset))
    images = judgments.images.select(distinct_pairs(judgments.pairs, judgments.images.identities()).images)
    if not isinstance(images, ImageFiles):
        raise UsageError(f"the pictures of {cell.dataset} are in no files of their own: measure it without a cache")
    return images


def check_room(cache: PixelCache, images: ImageFiles, ways: Sequence[Way]) -> None:
    """Refuse to fill a cache that cannot hold it all: what comes last would drive out what came first.

    Raises:
        UsageError: If it is too small.
    """
    sizes = {way.recipe.text: entry_bytes(_reader(cache, images, way).shape) for way in ways}
    needed = len(images.names) * sum(sizes.values())
    if needed > cache.size:
        raise UsageError(
            f"{len(images.names):,} pictures prepared in {len(sizes)} ways take {needed / 1e9:.2f}GB, and the pixel "
            f"cache may take {cache.size / 1e9:.2f}GB: raise --pixel-cache-size, or name fewer models with --model"
        )


def fill(
    cache: PixelCache, images: ImageFiles, way: Way, workers: int | None, advanced: Callable[[int, int], None]
) -> Filling:
    """Prepare the pictures that are not there, and keep them.

    Args:
        cache: Where they are kept.
        images: The pictures.
        way: How to prepare them.
        workers: Number of processes; none for as many as there are cores.
        advanced: Hears how many pictures are done, of how many.

    Raises:
        DataError: If a picture is damaged; those before it are kept.
    """
    start = time.perf_counter()
    stock = cache.make_room(_reader(cache, images, way))
    dataset = OrderedImages(images, stock.missing, way.prepare, stock.pixels)
    count = (usable_cores() if len(dataset) >= _FEW else 0) if workers is None else workers
    done = 0
    for batch in DataLoader(dataset, _BATCH, num_workers=count, collate_fn=_count):
        if isinstance(batch, DataError):
            raise batch
        done += batch
        advanced(done, len(dataset))
    absent = cache.finish(stock)
    size = (len(images.names) - absent) * entry_bytes(stock.pixels.shape)
    return Filling(len(images.names), stock.there, absent, size, time.perf_counter() - start)


def _reader(cache: PixelCache, images: ImageFiles, way: Way) -> CachedPixels:
    """Make what reads and keeps pictures as they are prepared in a way."""
    reader = cache.pixels(images, way.prepare)
    assert reader is not None  # a way has a recipe, and pictures have files
    return reader


def _count(items: list[Item[Tensor] | DataError]) -> int | DataError:
    """Count the pictures of a batch: a number is all that has to leave a loader's process."""
    return first_error(items) or len(items)
