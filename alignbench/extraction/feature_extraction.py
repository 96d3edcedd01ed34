"""Features of any folder of pictures, in a file: several layers in one pass, and resumed where it was stopped.

While it runs, rows lie in `.partial-NAME/` beside the file, an array a layer, with a record of how far they go.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from alignbench.datasets.images import ImageSource
from alignbench.errors import unwritable
from alignbench.extraction.feature_files import FeatureFile, check_form, write_features
from alignbench.extraction.features import Reading, ReadyTower, Rows, extract_features, feature_shape
from alignbench.files import write_whole
from alignbench.models.towers import Layer, Tower

_SECONDS: Final = 10.0  # of work that a stop may lose


def features_into(
    path: Path,
    ready: ReadyTower,
    images: ImageSource,
    layers: Sequence[Layer],
    started: Callable[[int], None] = lambda images: None,
    advanced: Callable[[int], None] = lambda images: None,
) -> int:
    """Embed every picture and write a file of features.

    Args:
        path: `.safetensors`, `.npz`, or for one layer `.npy`.
        ready: The model, and how it is read.
        images: The pictures; their names go into the file.
        layers: Some of its layers.
        started: Hears how many pictures are about to be embedded.
        advanced: Hears of every batch.

    Returns:
        How many pictures did not have to be embedded, because an earlier run with the same settings had been stopped.

    Raises:
        UsageError: If such a file cannot hold them.
        AlignbenchError: See `extract_features`; or if there is no room.
    """
    check_form(path, len(layers))
    tower, reading = ready.tower, ready.reading
    origin = {
        "model": ready.label,
        "model_fingerprint": tower.fingerprint,
        "tokens": reading.view,
        "precision": reading.precision,
        "normalized": any(layer.unit_norm for layer in layers),
    }
    partial = path.with_name(f".partial-{path.name}")
    settings = {**origin, "images": images.identities(), "layers": [layer.name for layer in layers]}
    try:
        arrays, start = _opened(partial, settings, layers, reading.view)
        started(len(images.names) - start)
        _fill(partial, settings, arrays, start, (tower, images, layers, reading), advanced)
        write_features(path, FeatureFile({**arrays}, tuple(images.names), origin=origin))
        shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise unwritable(path, error) from error
    return start


def _fill(
    partial: Path,
    settings: dict[str, Any],
    arrays: dict[str, Rows],
    start: int,
    what: tuple[Tower, ImageSource, Sequence[Layer], Reading],
    advanced: Callable[[int], None],
) -> None:
    """Embed what is missing, and note now and then how far that is."""
    tower, images, layers, reading = what
    done, noted = start, time.monotonic()

    def heard(count: int) -> None:
        nonlocal done, noted
        done += count
        advanced(count)
        if time.monotonic() - noted > _SECONDS:
            _note(partial, settings, done, arrays)
            noted = time.monotonic()

    if start < len(images.names):
        try:
            extract_features(tower, images, layers, reading, into=arrays, start=start, advanced=heard)
        finally:
            if done:
                _note(partial, settings, done, arrays)
            else:  # there is nothing to go on from
                shutil.rmtree(partial, ignore_errors=True)


def _opened(partial: Path, settings: dict[str, Any], layers: Sequence[Layer], view: str) -> tuple[dict[str, Rows], int]:
    """Arrays in files, and how many of their rows are there already."""
    places = {layer.name: partial / f"{layer.name}.npy" for layer in layers}
    shapes = {layer.name: (len(settings["images"]), *feature_shape(layer, view)) for layer in layers}
    done = _done(partial, settings)
    if done:
        try:
            # read-only first: numpy lengthens a file that is too short when it may write to it
            if all(np.load(place, mmap_mode="r").shape == shapes[name] for name, place in places.items()):
                return {name: np.load(place, mmap_mode="r+") for name, place in places.items()}, done
        except (OSError, ValueError):
            pass  # a file of rows is damaged: they are embedded again
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return {
        name: np.lib.format.open_memmap(place, mode="w+", dtype=np.float32, shape=shapes[name])
        for name, place in places.items()
    }, 0


def _done(partial: Path, settings: dict[str, Any]) -> int:
    try:
        noted = json.loads((partial / "progress.json").read_text(encoding="utf-8"))
        return int(noted["rows"]) if noted["settings"] == settings else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _note(partial: Path, settings: dict[str, Any], rows: int, arrays: dict[str, Rows]) -> None:
    for array in arrays.values():
        if isinstance(array, np.memmap):
            array.flush()
    write_whole(partial / "progress.json", json.dumps({"rows": rows, "settings": settings}).encode())
