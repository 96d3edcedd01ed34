"""Labelled triplets and the pictures that they name, as training takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.arrays import Indices
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import FileImages

_BLOCK: Final = 1 << 20  # triplets that are looked at at once


def open_data(place: Path, images: Path) -> tuple[LabelledTriplets, FileImages]:
    """Read labelled triplets, with numbers of the pictures that they name, and those pictures.

    Args:
        place: See `LabelledTriplets.open`.
        images: Folder of the pictures, and perhaps of others.

    Raises:
        DataError: If one is missing or not as it has to be.
    """
    found = LabelledTriplets.open(place).check()
    pictures = image_folder(images)
    found = found.of_pictures(pictures.names, str(images))
    named = np.zeros(len(pictures.names), dtype=bool)
    for block in _blocks(found.triplets):
        named[block] = True
    kept: Indices = np.flatnonzero(named)
    if len(kept) == len(named):
        return found, pictures
    numbers = (np.cumsum(named) - 1).astype(np.int32)
    rows = np.empty(found.triplets.shape, dtype=np.int32)
    for start, block in enumerate(_blocks(found.triplets)):
        rows[start * _BLOCK : start * _BLOCK + len(block)] = numbers[block]
    pictures = pictures.select(kept)
    return replace(found, names=pictures.names, triplets=rows), pictures


def _blocks(array: Any) -> Sequence[Any]:
    return [array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK)]


def digest_of(triplets: LabelledTriplets) -> str:
    """SHA-256 over everything that a step sees of triplets; pictures have an identity of their own."""
    digest = hashlib.sha256("\n".join(triplets.names).encode())
    for array, kind in ((triplets.triplets, "<i4"), (triplets.similarities, "<f4")):
        for block in _blocks(array):
            digest.update(np.ascontiguousarray(block, dtype=kind).data)
    return digest.hexdigest()


def described(triplets: LabelledTriplets, name: str) -> dict[str, Any]:
    """Say what a model card has of the data.

    Args:
        triplets: The triplets.
        name: What they are called.
    """
    told = triplets.record.get("settings", {})
    told = told if isinstance(told, dict) else {}
    keys = ("model", "layer", "space", "transform", "released", "rule")
    teacher = {f"teacher_{key}": told[key] for key in keys if isinstance(told.get(key), str | int | float)}
    transform = told.get("transform")
    if isinstance(transform, dict) and isinstance(transform.get("name"), str):
        teacher["teacher_transform"] = transform["name"]
    counts = {"triplets": len(triplets.triplets), "pictures": len(triplets.names)}
    return {"triplets_of": name, **counts, **teacher}
