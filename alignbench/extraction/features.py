"""Features of pictures at chosen layers, row by row, for whoever works on with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.datasets.images import ImageSource
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.cached_pixels import CachedPixels
from alignbench.extraction.distributed import interruptible, make_trainer, quietly
from alignbench.extraction.execution import lowered
from alignbench.extraction.host import memory_kept
from alignbench.extraction.loader import Loading, OrderedImages, ordered_loader, stack
from alignbench.extraction.predict import Batch, Feed, PixelLoop, unpack_batch
from alignbench.models.towers import Layer, Tower, check_view, select_view, tap, view_tokens

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """How features are read; of these the view, a low precision and other pictures change them beyond rounding.

    Attributes:
        view: Token view: `all`, `cls` or `mean`.
        precision: `fp32`, or `bf16` or `fp16` for the tower.
        device: `cpu` or `cuda`.
        batch_size: Images a batch.
        workers: Loader processes; none for a default.
        resize: How the tower's pictures are prepared, see `Cell`.
    """

    view: str = "cls"
    precision: str = "fp32"
    device: str = "cpu"
    batch_size: int = 16
    workers: int | None = None
    resize: str = "checkpoint"


@dataclass(frozen=True)
class ReadyTower:
    """A model that can embed pictures.

    Attributes:
        tower: The model; for un-normalised projections loaded under the `corrected` protocol.
        label: Name of the model in files and tables.
        reading: How its features are read.
    """

    tower: Tower
    label: str
    reading: Reading


def feature_shape(layer: Layer, view: str) -> tuple[int, ...]:
    """Shape of a picture's features at a layer: (channels,) where one token is left of it, else (tokens, channels)."""
    tokens = view_tokens(layer, view)
    return (layer.channels,) if tokens == 1 else (tokens, layer.channels)


@dataclass(frozen=True)
class FeatureExtractor:
    """Some layers of a tower, and how their features are read.

    Attributes:
        tower: The model; for un-normalised projections loaded under the `corrected` protocol.
        layers: Some of its layers.
        reading: How they are read.
    """

    tower: Tower
    layers: Sequence[Layer]
    reading: Reading


@dataclass(frozen=True)
class FeatureRows:
    """Features of pictures, a row a picture, of which the first may be there already.

    Attributes:
        arrays: By layer, (n, *feature_shape), for instance in a file.
        done: How many of the rows are there; they stay as they are.
    """

    arrays: Mapping[str, Rows]
    done: int = 0


def extract_features(
    extractor: FeatureExtractor,
    images: ImageSource,
    rows: FeatureRows | None = None,
    *,
    cached: CachedPixels | None = None,
    advanced: Callable[[int], None] = lambda images: None,
) -> dict[str, Rows]:
    """Embed every picture once, and keep its features at all layers asked for.

    Args:
        extractor: The model, its layers, and how they are read.
        images: The pictures.
        rows: What is written to, with an array for each layer; new arrays if nothing is given.
        cached: Reads prepared pixels, where they are kept.
        advanced: Hears of every batch, after its rows are written.

    Returns:
        By layer, (n, channels) or (n, tokens, channels).

    Raises:
        UsageError: If the model does not have that view.
        DataError: If a picture turns out to be damaged.
        AlignbenchError: If features are not finite.
    """
    tower, reading, count = extractor.tower, extractor.reading, len(images.names)
    check_view(tower, reading.view, extractor.layers)
    rows = _new_rows(extractor, count) if rows is None else rows
    pictures = OrderedImages(images, np.arange(rows.done, count), tower.prepare, cached)
    loading = Loading(reading.batch_size, reading.workers, pin_memory=reading.device == "cuda")
    loader = ordered_loader(pictures, stack, loading)
    module = _FeatureLoop(extractor, rows.arrays, images.names)
    with quietly(), memory_kept(), lowered(tower, reading.precision), interruptible():
        make_trainer(reading.device, 1, 1, [Feed(advanced)]).predict(module, loader, return_predictions=False)
    return dict(rows.arrays)


def _new_rows(extractor: FeatureExtractor, count: int) -> FeatureRows:
    shapes = {layer.name: (count, *feature_shape(layer, extractor.reading.view)) for layer in extractor.layers}
    return FeatureRows({name: np.empty(shape, dtype=np.float32) for name, shape in shapes.items()})


class _FeatureLoop(PixelLoop):
    """The predict loop that writes features to their rows."""

    def __init__(self, extractor: FeatureExtractor, arrays: Mapping[str, Rows], names: Sequence[str]) -> None:
        super().__init__(extractor.reading.precision)
        self.tower, self.layers, self.reading = extractor.tower, tuple(extractor.layers), extractor.reading
        self.arrays, self.names = arrays, names
        self.rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def predict_step(self, batch: Batch | DataError, batch_idx: int) -> None:
        """Embed a batch."""
        pixels, indices = unpack_batch(batch)
        self.rows = indices.numpy()
        with self.autocast(), tap(self.tower, self.layers, self._keep):
            self.tower(pixels)

    def _keep(self, layer: Layer, features: Tensor) -> None:
        with torch.autocast(self.device.type, enabled=False):
            kept = select_view(features, layer, self.reading.view, self.tower.prefix_tokens)
        rows = kept.cpu().numpy()
        finite = np.isfinite(rows).all(axis=(1, 2))
        if not finite.all():
            name = self.names[int(self.rows[int(finite.argmin())])]
            raise AlignbenchError(
                f"{layer.name} gave numbers that are not finite for {name}: the checkpoint is damaged, or --precision "
                "is too low for it"
            )
        self.arrays[layer.name][self.rows] = rows.reshape(len(rows), *feature_shape(layer, self.reading.view))
