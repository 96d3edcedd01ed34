"""Features of any folder of pictures, in a file: several layers in one pass, and resumed where it was stopped.

While it runs, rows lie in `.partial-NAME/` beside the file, an array a layer, with a record of how far they go.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.format import open_memmap

from alignbench.datasets.images import ImageSource
from alignbench.errors import unwritable
from alignbench.extraction.feature_files import FeatureFile, check_form, partial_folder, write_features
from alignbench.extraction.features import (
    FeatureExtractor,
    FeatureRows,
    ReadyTower,
    Rows,
    extract_features,
    feature_shape,
)
from alignbench.extraction.progress import EmbeddingListener
from alignbench.files import UNREADABLE, claim_room, open_plain, write_whole
from alignbench.files.json_text import checked_object, read_json
from alignbench.models.towers import Layer, Tower

_SECONDS: Final = 10.0  # of work that a stop may lose


def features_into(
    path: Path,
    ready: ReadyTower,
    images: ImageSource,
    layers: Sequence[Layer],
    listener: EmbeddingListener | None = None,
) -> int:
    """Embed every picture and write a file of features.

    Args:
        path: `.safetensors`, `.npz`, or for one layer `.npy`.
        ready: The model, and how it is read.
        images: The pictures; their names go into the file.
        layers: Some of its layers.
        listener: Hears how many pictures are about to be embedded, and of every batch.

    Returns:
        How many pictures did not have to be embedded, because an earlier run with the same settings had been stopped.

    Raises:
        UsageError: If such a file cannot hold them.
        AlignbenchError: See `extract_features`; or if there is no room.
    """
    check_form(path, len(layers))
    reading, heard = ready.reading, listener or EmbeddingListener()
    origin = {
        "model": ready.label,
        "model_fingerprint": ready.tower.fingerprint,
        "tokens": reading.view,
        "precision": reading.precision,
        "normalized": any(layer.unit_norm for layer in layers),
        "class_token": ready.tower.has_class_token,
        "layers": {layer.name: _told(layer, ready.tower) for layer in layers},
        **({} if reading.resize == "checkpoint" else {"resize": reading.resize}),
    }
    settings = {**origin, "images": images.identities()}
    partial = _PartialFile(partial_folder(path), settings)
    try:
        rows = _open_rows(partial, layers, reading.view)
        heard.started(len(images.names) - rows.done)
        _fill(partial, rows, FeatureExtractor(ready.tower, layers, reading), images, heard.advanced)
        write_features(path, FeatureFile({**rows.arrays}, tuple(images.names), origin=origin))
        shutil.rmtree(partial.folder, ignore_errors=True)
    except OSError as error:
        raise unwritable(path, error) from error
    return rows.done


def _told(layer: Layer, tower: Tower) -> dict[str, float | int]:
    """What a file says of a layer, so that its features can be measured as the tower would be."""
    return {"depth": float(layer.depth), "prefix_tokens": tower.prefix_tokens if layer.has_prefix else 0}


@dataclass(frozen=True)
class _PartialFile:
    """What is there of a file of features before it is whole.

    Attributes:
        folder: Where its rows lie.
        settings: Everything that can change a row, and what the file holds; rows of other settings are not taken.
    """

    folder: Path
    settings: dict[str, Any]


def _fill(
    partial: _PartialFile,
    rows: FeatureRows,
    extractor: FeatureExtractor,
    images: ImageSource,
    advanced: Callable[[int], None],
) -> None:
    """Embed what is missing, and note now and then how far that is."""
    done, noted = rows.done, time.monotonic()

    def heard(count: int) -> None:
        nonlocal done, noted
        done += count
        advanced(count)
        if time.monotonic() - noted > _SECONDS:
            _note(partial, rows.arrays, done)
            noted = time.monotonic()

    if rows.done < len(images.names):
        try:
            extract_features(extractor, images, rows, advanced=heard)
        finally:
            if done:
                _note(partial, rows.arrays, done)
            else:  # there is nothing to go on from
                shutil.rmtree(partial.folder, ignore_errors=True)


def _open_rows(partial: _PartialFile, layers: Sequence[Layer], view: str) -> FeatureRows:
    """Arrays in files, and how many of their rows are there already."""
    places = {layer.name: partial.folder / f"{layer.name}.npy" for layer in layers}
    shapes = {layer.name: (len(partial.settings["images"]), *feature_shape(layer, view)) for layer in layers}
    done = _noted_rows(partial)
    if done:
        try:
            # read-only first: numpy lengthens a file that is too short when it may write to it
            if all(_shape(place) == shapes[name] for name, place in places.items()):
                return FeatureRows({name: open_memmap(place, mode="r+") for name, place in places.items()}, done)
        except UNREADABLE:
            pass  # a file of rows is damaged: they are embedded again
    shutil.rmtree(partial.folder, ignore_errors=True)
    partial.folder.mkdir(parents=True)
    arrays = {}
    try:
        for name, place in places.items():
            arrays[name] = open_memmap(place, mode="w+", dtype=np.float32, shape=shapes[name])
            with place.open("r+b") as whole:
                claim_room(whole.fileno(), place.stat().st_size)
    except OSError:
        shutil.rmtree(partial.folder, ignore_errors=True)
        raise
    return FeatureRows(arrays)


def _shape(place: Path) -> tuple[int, ...]:
    open_plain(place).close()
    found: tuple[int, ...] = open_memmap(place, mode="r").shape
    return found


def _noted_rows(partial: _PartialFile) -> int:
    try:
        noted = checked_object("progress", read_json(partial.folder / "progress.json"), {"rows": (int,)})
    except (OSError, ValueError):
        return 0
    is_ours = noted.get("settings") == partial.settings
    return noted["rows"] if is_ours and 0 < noted.get("rows", 0) <= len(partial.settings["images"]) else 0


def _note(partial: _PartialFile, arrays: Mapping[str, Rows], done: int) -> None:
    for array in arrays.values():
        if isinstance(array, np.memmap):
            array.flush()
    record = {"rows": done, "settings": partial.settings}
    write_whole(partial.folder / "progress.json", json.dumps(record).encode())
