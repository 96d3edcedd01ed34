"""Features that exist already, whatever form they are in: named, ordered and looked at before they are read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from alignbench.errors import DataError, shortened, unknown
from alignbench.extraction.feature_forms import damage_said, few, listed_names_of, look_at
from alignbench.extraction.stored_layers import StoredLayer
from alignbench.models.layer_names import IMAGE, PROJECTION, is_aligned

ALL: Final = "all"  # layers, where some can be named
_LONGEST: Final = 200  # characters of a layer's name


@dataclass(frozen=True)
class StoredFeatures:
    """Features of pictures, which are still where they lie.

    Attributes:
        path: The file or folder.
        names: Name of the picture of each row, no two alike.
        layers: The layers, in the order of depth, (n, ...) each.
        depths: Depths of the layers in percent: as the file says, else evenly in their order.
        origin: What is known of where they come from, see `FeatureFile`.
    """

    path: Path
    names: tuple[str, ...]
    layers: tuple[StoredLayer, ...]
    depths: tuple[float, ...]
    origin: dict[str, Any] = field(default_factory=dict)

    def only(self, names: Sequence[str]) -> StoredFeatures:
        """Keep some layers, in their order; `all` keeps every one.

        Raises:
            UsageError: If there is no such layer; names the nearest.
        """
        known = [layer.name for layer in self.layers]
        for name in names:
            if name != ALL and name not in known:
                raise unknown("layer", name, known)
        kept = [place for place, name in enumerate(known) if name in names or ALL in names]
        layers = tuple(self.layers[place] for place in kept)
        return replace(self, layers=layers, depths=tuple(self.depths[place] for place in kept))

    def fingerprint(self) -> str:
        """Read everything once: SHA-256 over the names, the layers and the numbers as they are measured, in float32.

        Raises:
            DataError: If a number is not finite in float32, or a file is damaged; names the place.
        """
        about = [(layer.name, depth, layer.tokens) for layer, depth in zip(self.layers, self.depths, strict=True)]
        digest = hashlib.sha256(json.dumps([self.names, about]).encode())
        for layer in self.layers:
            with damage_said(self.path), layer.opened() as held:
                for start, block in layer.blocks(held):
                    self._check(layer, start, block)
                    digest.update(np.ascontiguousarray(block.numpy(), dtype="<f4").data)
        return digest.hexdigest()

    def _check(self, layer: StoredLayer, start: int, block: Tensor) -> None:
        finite = block.isfinite().flatten(1).all(dim=1)
        if not bool(finite.all()):
            name = self.names[start + int((~finite).nonzero()[0])]
            raise DataError(
                f"{self.path}: {layer.name} holds numbers that are not finite, or too large for float32, in the row of "
                f"{shortened(name)}: leave out such rows"
            )


def open_features(path: Path) -> StoredFeatures:
    """Look at features, so that everything is known of them but their numbers.

    Args:
        path: A file or a folder.

    Raises:
        ModelError: If nothing is there.
        UsageError: If h5py is needed and not installed.
        DataError: If it is of no form that is read, damaged, empty, or its rows and names do not go together.
    """
    found = look_at(path)
    names, layers = found.names, found.layers
    if not layers:
        raise DataError(f"{path} holds no features: arrays of numbers, (n, channels), one row a picture")
    if names is None:
        names = listed_names_of(path if path.is_dir() else path.parent, path)
    _check_names(path, names)
    for layer in layers:
        _check_layer(path, layer, len(names))
    _check_different(path, [layer.name for layer in layers])
    layers, depths = _in_order(layers, found.origin)
    return StoredFeatures(path, names, layers, depths, found.origin)


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path} has several rows for {len(twice):,} names ({few(twice)}): leave one row for each")
    if not all(name.strip() for name in names):
        raise DataError(f"{path} has a row without a name: name each row by its picture")


def _check_layer(path: Path, layer: StoredLayer, names: int) -> None:
    name = layer.name
    if not name or not name.isprintable() or name in (IMAGE, ALL) or is_aligned(name) or len(name) > _LONGEST:
        raise DataError(f"{path}: no layer can be called {shortened(repr(name))}: give it another name")
    if layer.shape[0] != names:
        raise DataError(f"{path}: {name} has {layer.shape[0]:,} rows, and {names:,} names: give each row its name")
    if name == PROJECTION and layer.tokens > 1:
        raise DataError(f"{path}: {name} has {layer.tokens} tokens, and a projection has one: give it another name")


def _check_different(path: Path, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise DataError(f"{path} has two layers of one name: give each a name of its own")


def _in_order(
    layers: Sequence[StoredLayer], origin: dict[str, Any]
) -> tuple[tuple[StoredLayer, ...], tuple[float, ...]]:
    """Layers in the order of depth, and their depths.

    What a file says of all of them holds. Else they are spread evenly from 0 to 100 as they come, the projection last.
    """
    told = origin.get("layers", {})
    known = [told.get(layer.name, {}).get("depth") for layer in layers]
    if all(depth is not None for depth in known):
        placed = sorted(zip(known, layers, strict=True), key=lambda pair: pair[0])
        return tuple(layer for _, layer in placed), tuple(float(depth) for depth, _ in placed)
    ordered = sorted(layers, key=lambda layer: layer.name == PROJECTION)
    return tuple(ordered), tuple(np.linspace(0, 100, len(ordered)).tolist() if len(ordered) > 1 else (100.0,))
