"""Files of features that exist already: `.npy`, `.npz` and `.safetensors`, read and written with their names in order.

A `.npz` or `.safetensors` may hold features of several layers, (n, d) or (n, tokens, d) each, and the name of each row.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import DataError, UsageError, one_line
from alignbench.files import ARRAY_FILES, UNREADABLE, whole_file, write_safetensors
from alignbench.files.json_text import Kinds, checked_object, parse_json
from alignbench.files.scratch import clear_scratch

NAMES: Final = "names"  # of the rows, in a `.npz`; in a `.safetensors` they are in its metadata
ORIGIN: Final = "origin"  # of the features, likewise
_KINDS: Final[Mapping[str, Kinds]] = {  # what else it holds is carried along
    **dict.fromkeys(("model", "tokens", "precision", "resize"), (str,)),
    "model_fingerprint": (str, NoneType),
    **dict.fromkeys(("normalized", "class_token"), (bool,)),
    **dict.fromkeys(("transforms", "layers"), (dict,)),
}
Features = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FeatureFile:
    """Features of pictures.

    Attributes:
        arrays: Features by layer, (n, ..., d); the only layer of a `.npy` is called `features`.
        names: Name of the picture of each row, or none.
        others: What else the file holds, which is carried along.
        origin: What is known of where they come from: `model`, `tokens`, `model_fingerprint`, `precision`, whether the
            projection is `normalized`, whether there is a `class_token`, in `layers` the `depth` of each in percent and
            how many `prefix_tokens` stand before its patches, and in `transforms` what has been applied to which layer.
    """

    arrays: dict[str, Features]
    names: tuple[str, ...] | None = None
    others: dict[str, NDArray[Any]] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)

    def layer(self, name: str | None) -> str:
        """The layer of that name, or the only one.

        Raises:
            UsageError: If there is none of that name, or none is named and there are several.
        """
        layers = ", ".join(self.arrays)
        if name is None and len(self.arrays) > 1:
            raise UsageError(f"the file holds features of several layers ({layers}): name one with --layer")
        if name is not None and name not in self.arrays:
            raise UsageError(f"the file holds no layer {name}: it holds {layers}")
        return name if name is not None else next(iter(self.arrays))

    def with_transformed(self, name: str, features: Features, transform: str) -> FeatureFile:
        """The file with the features of one layer replaced by those after a transform."""
        applied = {**self.origin.get("transforms", {}), name: transform}
        return replace(self, arrays={**self.arrays, name: features}, origin={**self.origin, "transforms": applied})


def read_features(path: Path) -> FeatureFile:
    """Read a file of features; a pickle in it is never opened.

    Args:
        path: `.npy`; `.npz` or `.safetensors` with an array for each layer.

    Raises:
        UsageError: If its name ends otherwise.
        DataError: If it is missing, damaged, or holds no features: finite floating-point numbers, (n, ..., d), with as
            many rows in each layer and as many names.
    """
    if path.suffix not in ARRAY_FILES:
        raise UsageError(f"{path} is no file of features that can be read: the name ends in {', '.join(ARRAY_FILES)}")
    if not path.is_file():
        raise DataError(f"{path} is not there: check the name of the file of features")
    try:
        found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_numpy(path)
    except UNREADABLE as error:
        remedy = "save plain arrays (a pickle is not opened)"
        raise DataError(f"{path} cannot be read as features ({one_line(error)}): {remedy}") from error
    _check(path, found)
    return found


def _read_numpy(path: Path) -> FeatureFile:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return FeatureFile({"features": loaded})
    with loaded as archive:
        arrays = {key: archive[key] for key in archive.files}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("not all that it holds are arrays")
    names, origin = words_of_npz(arrays)
    told = (NAMES, ORIGIN)
    features = {key: array for key, array in arrays.items() if array.dtype.kind == "f" and array.ndim > 1}
    others = {key: array for key, array in arrays.items() if key not in features and key not in told}
    return FeatureFile(features, names, others, origin)


def words_of_npz(arrays: Mapping[str, NDArray[Any]]) -> tuple[tuple[str, ...] | None, dict[str, Any]]:
    """Return what a `.npz` says in words: the names of its rows, if it has them, and the origin of its features.

    Args:
        arrays: Its arrays by name; only those two are looked up.

    Raises:
        ValueError: If they are other than this package writes them.
    """
    names = arrays.get(NAMES)
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise ValueError(f"{NAMES} is no list of texts")
    origin = _origin(str(arrays[ORIGIN])) if ORIGIN in arrays else {}
    return None if names is None else tuple(map(str, names)), origin


def _read_safetensors(path: Path) -> FeatureFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  it is no mapping
            known = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    features = {key: array for key, array in arrays.items() if array.dtype.kind == "f" and array.ndim > 1}
    others = {key: array for key, array in arrays.items() if key not in features}
    names, origin = words_of_metadata(known)
    return FeatureFile(features, names, others, origin)


def words_of_metadata(known: Mapping[str, str]) -> tuple[tuple[str, ...] | None, dict[str, Any]]:
    """Return what the metadata of a `.safetensors` say in words; see `words_of_npz`.

    Args:
        known: The metadata.

    Raises:
        ValueError: If they are other than this package writes them.
    """
    names = parse_names(known[NAMES]) if NAMES in known else None
    return names, _origin(known.get(ORIGIN, "{}"))


def parse_names(text: str | bytes) -> tuple[str, ...]:
    """Parse a list of names in JSON.

    Raises:
        ValueError: If it is none.
    """
    names = parse_json(text)
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"{NAMES} is no list of texts")
    return tuple(names)


def _origin(text: str) -> dict[str, Any]:
    found = parse_json(text)
    if not isinstance(found, dict):
        raise ValueError("origin does not say where they come from")
    checked_object("origin", found, _KINDS)
    applied = found.get("transforms", {})
    checked_object("origin.transforms", applied, dict.fromkeys(applied, (str,)))
    for name, told in found.get("layers", {}).items():
        checked_object(f"origin.layers.{name}", told, {"depth": (int, float), "prefix_tokens": (int,)})
    return found


def _check(path: Path, found: FeatureFile) -> None:
    if not found.arrays:
        raise DataError(f"{path} holds no features: floating-point numbers of (n, d), one row a picture")
    rows = len(next(iter(found.arrays.values())))
    for name, array in found.arrays.items():
        if array.ndim < 2 or array.dtype.kind != "f":
            raise DataError(f"{path}: {name} is {array.dtype} of shape {array.shape}, where features are floats (n, d)")
        if len(array) != rows:
            raise DataError(f"{path}: {name} has {len(array)} rows, and another layer {rows}")
        if not np.isfinite(array).all():
            raise DataError(f"{path}: {name} holds numbers that are not finite")
    if found.names is not None and len(found.names) != rows:
        raise DataError(f"{path} names {len(found.names)} pictures, and has {rows} rows")


def partial_folder(path: Path) -> Path:
    """Where the rows of a file of features lie before it is whole."""
    return path.with_name(f".partial-{path.name}")


def clear_leftovers(path: Path) -> None:
    """Remove what a run left beside its file that was killed when the file was whole.

    Rows of a run under way, which is to replace the file, are newer than it.
    """
    clear_scratch(path.parent)
    folder = partial_folder(path)
    with suppress(OSError):
        if max((each.stat().st_mtime_ns for each in folder.iterdir()), default=0) <= path.stat().st_mtime_ns:
            shutil.rmtree(folder, ignore_errors=True)


def check_form(path: Path, layers: int) -> None:
    """Refuse a file that cannot hold features of so many layers.

    Raises:
        UsageError: If its name ends otherwise, or it is a `.npy` for several.
    """
    if path.suffix not in ARRAY_FILES:
        raise UsageError(f"{path}: features are written as {', '.join(ARRAY_FILES)}")
    if path.suffix == ".npy" and layers > 1:
        raise UsageError(f"{path}: a .npy holds one layer, and there are {layers}: write .safetensors")


def write_features(path: Path, features: FeatureFile) -> None:
    """Write a file of features, whole or not at all.

    Args:
        path: `.npy`, which holds one layer and no names; `.npz`; or `.safetensors`.
        features: What to write.

    Raises:
        UsageError: If the name ends otherwise, a `.npy` is to hold several layers, or a `.safetensors` text.
        AlignbenchError: If it cannot be written.
    """
    check_form(path, len(features.arrays))
    if path.suffix == ".safetensors":
        for name, array in {**features.others, **features.arrays}.items():
            if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
                raise UsageError(f"{path}: a .safetensors holds plain numbers, and {name} is {array.dtype}: write .npz")
    with whole_file(path) as scratch:
        if path.suffix == ".npy":
            np.save(scratch, next(iter(features.arrays.values())))
        elif path.suffix == ".npz":
            np.savez(scratch, **_npz_arrays(features))
        else:
            metadata = {} if features.names is None else {NAMES: json.dumps(list(features.names))}
            metadata |= {ORIGIN: json.dumps(features.origin)} if features.origin else {}
            write_safetensors(scratch, {**features.others, **features.arrays}, metadata)


def _npz_arrays(features: FeatureFile) -> dict[str, Any]:
    arrays: dict[str, Any] = {**features.others, **features.arrays}
    arrays |= {} if features.names is None else {NAMES: np.array(features.names, dtype=np.str_)}
    return arrays | ({ORIGIN: np.array(json.dumps(features.origin))} if features.origin else {})
