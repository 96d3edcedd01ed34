"""Both models as embedders of pictures: the layer that is judged, and what it gives for a picture."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.arrays import Floats
from alignbench.datasets.images import ImageSource
from alignbench.errors import UsageError
from alignbench.extraction.feature_source import layers_of, stored_view
from alignbench.extraction.features import FeatureExtractor, ReadyTower
from alignbench.extraction.stored_features import open_features
from alignbench.measurement.cell import Cell
from alignbench.measurement.sources import TowerRequest, load_ready_tower
from alignbench.models.layer_names import PROJECTION, aligned_name
from alignbench.models.towers import Layer, check_view
from alignbench.transforms.aligned_layer import Remedies, Use, transformed_layer, with_aligned_features
from alignbench.transforms.learning.inputs import embed_pictures
from alignbench.transforms.named import NamedTransform

_RANDOM: Final = "random:"
_OTHER_HEAD: Final = "name the head of the model after by --head, or the model that it is of by --after"
_REMEDIES: Final = Remedies(_OTHER_HEAD, "leave out --head, and use `alignbench run --resize published`", _OTHER_HEAD)


@dataclass(frozen=True)
class EmbeddingModel:
    """A model that gives one vector of a picture.

    Attributes:
        ready: The model, and how it is read.
        layer: The layer that is read.
        head: What is applied to it; none without a head.
    """

    ready: ReadyTower
    layer: Layer
    head: NamedTransform | None = None

    @property
    def layer_name(self) -> str:
        """What the layer is called, as runs have it."""
        return self.layer.name if self.head is None else aligned_name(self.layer.name)

    @property
    def settings(self) -> dict[str, Any]:
        """What settles its vectors."""
        head = None if self.head is None else self.head.settings()
        reading = self.ready.reading
        return {
            "model": self.ready.label,
            "fingerprint": self.ready.tower.fingerprint,
            "layer": self.layer.name,
            "tokens": reading.view,
            "precision": reading.precision,
            "head": head,
        }

    def embed(self, images: ImageSource, pixel_cache: str | None, advanced: Callable[[int], None]) -> Floats:
        """The vectors of pictures, (n, d) float64.

        Args:
            images: The pictures.
            pixel_cache: Folder of prepared pictures, `off`, or none for the default one.
            advanced: Hears of every batch.

        Raises:
            AlignbenchError: See `extract_features`.
        """
        extractor = FeatureExtractor(self.ready.tower, [self.layer], self.ready.reading)
        found, _ = embed_pictures(extractor, images, None, pixel_cache, advanced)
        rows = found[self.layer.name].reshape(len(images.names), -1).astype(np.float64)
        return rows if self.head is None else np.asarray(self.head.transform.apply(rows))


def load_embedding_model(
    model: str, config: GainsConfig, head: NamedTransform | None, notice: Callable[[str], None]
) -> EmbeddingModel:
    """Load a model for its vectors.

    Args:
        model: Its name.
        config: At which layer and how it is read.
        head: Its head, if it has one.
        notice: Hears of a download.

    Raises:
        UsageError: If it has no such layer or view, or is no tower.
        AlignbenchError: If it cannot be had.
    """
    request = TowerRequest(
        model.removeprefix(_RANDOM),
        "all",
        model.startswith(_RANDOM),
        config.seed,
        config.precision,
        config.accelerator,
        config.batch_size,
        config.workers,
    )
    ready = load_ready_tower(request, notice=notice)
    layer = _layer(ready, request, config, head)
    view = _view(ready, config, layer)
    check_view(ready.tower, view, [layer])
    return EmbeddingModel(replace(ready, reading=replace(ready.reading, view=view)), layer, head)


def check_head(config: GainsConfig, head: NamedTransform, notice: Callable[[str], None]) -> None:
    """Refuse a head of another model than the one after, before anything is measured.

    Args:
        config: Which model that is, and how it is read.
        head: The head.
        notice: Hears of a download.

    Raises:
        UsageError: If it belongs to another model, layer or width, or the model has no layer.
        AlignbenchError: If the model cannot be had.
    """
    cell = Cell(model=config.after, dataset="")
    if cell.is_metric:
        raise UsageError(f"{config.after} compares pictures, and has no layer that a head could take: leave out --head")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say is said when it is measured
        if cell.features is None:
            load_embedding_model(config.after, config, head, notice)
            return
        stored = open_features(cell.features)
        use = Use(config.after, stored_view(stored, config.tokens), remedies=_REMEDIES)
        with_aligned_features(layers_of(stored), head, stored.origin, use)


def _layer(ready: ReadyTower, request: TowerRequest, config: GainsConfig, head: NamedTransform | None) -> Layer:
    """The layer that is judged: the one that a head takes, or that is named; of a tower without projection the last."""
    layers = {layer.name: layer for layer in ready.tower.layers}
    if head is not None:
        view = _view(ready, config, layers.get(head.layer, ready.tower.layers[-1]))
        return transformed_layer(ready.tower, head, Use(request.model, view, request.random_init, remedies=_REMEDIES))
    if config.at == PROJECTION:
        return layers.get(PROJECTION, ready.tower.layers[-1])
    if config.at not in layers:
        raise UsageError(f"{ready.label} has no layer {config.at}: use --at {PROJECTION} or one of {', '.join(layers)}")
    return layers[config.at]


def _view(ready: ReadyTower, config: GainsConfig, layer: Layer) -> str:
    """The token view of vectors: the class token where there is one, unless another is asked for."""
    if config.tokens != "all":
        return config.tokens
    return "cls" if ready.tower.has_class_token and layer.has_prefix else "mean"
