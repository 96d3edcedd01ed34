"""The pictures that learning needs, and their features: of the objects, and of the local term."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from alignbench.datasets import DATASETS
from alignbench.datasets.data_set import DataSet
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import ImageFiles, ImageSource
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.extraction.features import FeatureExtractor, Rows, extract_features
from alignbench.extraction.pixel_cache import DEFAULT_SIZE, PixelCache
from alignbench.models.towers import Layer

_PACKAGED_LOCAL = ("shapes-middle", "trainset")


def local_pictures(given: str | None, data_set: DataSet) -> ImageSource:
    """The pictures of the local term.

    Args:
        given: A folder of pictures, or the name of a packaged data set; none with packaged triplets only.
        data_set: Data set of the triplets.
    """
    if given is None and data_set.packaged:
        name, subset = _PACKAGED_LOCAL
        return DATASETS.load(name).read(None, (subset,)).images
    assert given is not None
    if given in DATASETS and DATASETS.load(given).packaged:
        return DATASETS.load(given).read(None, ("trainset",)).images
    return image_folder(Path(given))


def embed_pictures(
    extractor: FeatureExtractor,
    objects: ImageSource,
    local: ImageSource | None,
    pixel_cache: str | None,
    embedded: Callable[[int], None],
) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Features of the objects and of the pictures of the local term, at all layers in one pass over each.

    Args:
        extractor: The model, its layers, and how they are read.
        objects: Their pictures.
        local: Pictures of the local term; none without that term.
        pixel_cache: Folder of prepared pixels, `off`, or none for the default one.
        embedded: Called after each batch with its number of pictures.

    Returns:
        Features of the objects and of the other pictures, each by layer; empty without a local term.
    """
    files = any(isinstance(images, ImageFiles) for images in (objects, local))
    cache = PixelCache.open(pixel_cache, DEFAULT_SIZE) if files else None
    found: list[dict[str, Rows]] = []
    for images in (objects, local):
        if images is None:
            found.append({})
            continue
        stock = None if cache is None else cache.stock(images, extractor.tower.prepare)
        cached = None if stock is None else stock.pixels
        found.append(extract_features(extractor, images, cached=cached, advanced=embedded))
        if cache is not None and stock is not None:
            cache.finish(stock)
    return found[0], found[1]


def varying_layers(layers: Sequence[Layer], features: Mapping[str, Rows], view: str) -> list[Layer]:
    """The layers that tell objects apart; the class token of `layer_0` is the same for all pictures.

    Raises:
        DataError: If there is none.
    """
    alike = [layer.name for layer in layers if not np.ptp(features[layer.name], axis=0).any()]
    if len(alike) == len(layers):
        raise DataError(
            f"{', '.join(alike)} is the same for all pictures in the view {view}: name another layer or view"
        )
    if alike:
        text = f"{', '.join(alike)} is the same for all pictures in the view {view}, and is left out"
        warnings.warn(text, AlignbenchWarning, stacklevel=3)
    return [layer for layer in layers if layer.name not in alike]


def digest_of_images(images: ImageSource) -> str:
    """SHA-256 over what identifies each of some pictures, in their order."""
    return hashlib.sha256("\n".join(images.identities()).encode()).hexdigest()
