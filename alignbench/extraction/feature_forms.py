"""The forms in which features come: files of arrays, tables, thingsvision's folder, a folder with one array a layer.

The name of each row's picture is in the file, or in `file_names.txt` (a line a row) or `names.json` (a list) beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from alignbench.errors import DataError, ModelError, one_line, shortened
from alignbench.extraction.feature_files import NAMES, ORIGIN, parse_names, words_of_metadata, words_of_npz
from alignbench.extraction.feature_tables import SEPARATORS, read_matlab, read_named_table, read_text_array
from alignbench.extraction.stored_layers import (
    StoredLayer,
    array_layer,
    hdf5_layers,
    npy_layer,
    npz_layers,
    safetensors_layers,
)
from alignbench.files import UNREADABLE, open_plain

LISTS: Final = ("file_names.txt", "names.json")
_ONE: Final = "features"  # the layer of a file that has no name for it
_TABLES: Final = (*SEPARATORS, ".parquet")
_SUFFIXES: Final = (".npy", ".npz", ".safetensors", ".hdf5", ".h5", ".mat", ".txt", *_TABLES)
_PICKLES: Final = (".pt", ".pth", ".pkl", ".pickle")
_SHOWN: Final = 3
_REMEDY: Final = "save plain arrays (a pickle is not opened)"
_TABLE_REMEDIES: Final = {
    **dict.fromkeys(SEPARATORS, "write a line for each picture, with as many values as there are columns"),
    ".txt": "write a line of numbers for each picture, all of one length",
    ".parquet": "write the table again",
}


@contextmanager
def damage_said(path: Path) -> Iterator[None]:
    """Say in one line what libraries make of a file that is damaged, or holds a pickle.

    Raises:
        DataError: If they fail.
    """
    try:
        yield
    except (*UNREADABLE, Warning) as error:
        remedy = _TABLE_REMEDIES.get(path.suffix, _REMEDY)
        raise DataError(f"{path} cannot be read as features ({one_line(error)}): {remedy}") from error


@dataclass(frozen=True)
class FoundLayers:
    """What a file or a folder holds.

    Attributes:
        layers: The layers, as they come.
        names: Name of the picture of each row; none where they are beside it.
        origin: What is known of where they come from, see `FeatureFile`.
    """

    layers: tuple[StoredLayer, ...]
    names: tuple[str, ...] | None = None
    origin: dict[str, Any] = field(default_factory=dict)


def look_at(path: Path) -> FoundLayers:
    """Look at a file or a folder.

    Raises:
        ModelError: If nothing is there.
        UsageError: If h5py is needed and not installed.
        DataError: If it is of no form that is read, damaged, or holds a pickle.
    """
    if path.is_dir():
        return _look_into_folder(path)
    if not path.exists():
        raise ModelError(f"{path} is not there: check the path of the features")
    if path.suffix in _PICKLES:
        raise DataError(f"{path} is a pickle, which is never opened since that would run code: save it as .npy")
    if path.suffix not in _SUFFIXES:
        raise DataError(f"{path} is no file of features: its name ends in {', '.join(_SUFFIXES)}")
    with damage_said(path):
        return _READERS[path.suffix](path)


def _look_into_folder(folder: Path) -> FoundLayers:
    try:
        files = sorted((each for each in folder.iterdir() if not each.name.startswith(".")), key=_by_number)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}): make it readable") from error
    for each in files:
        if each.suffix in _PICKLES:
            raise DataError(
                f"{each} is a pickle, which is never opened since that would run code: save it as .npy, and take it out"
            )
    data = [each for each in files if each.suffix in _SUFFIXES and (each.suffix != ".txt" or _is_array(each))]
    if not data:
        raise DataError(f"{folder} holds no file of features: one .npy a layer, or one of {', '.join(_SUFFIXES)}")
    others = [each.name for each in data if each.suffix != ".npy"]
    if len(data) == len(others) == 1:
        return look_at(data[0])
    if others:
        names = [each.name for each in data]
        raise DataError(
            f"{folder} holds {few(names)}: leave one of them, or one .npy a layer, or name the file that is meant"
        )
    layers = []
    for each in data:
        with damage_said(each):
            layers.append(npy_layer(each, each.stem))
    return FoundLayers(tuple(layers))


def _is_array(path: Path) -> bool:
    """Whether a text file is features, and not names or a remark."""
    return path.name.startswith(_ONE)


def _by_number(path: Path) -> list[str | int]:
    """Key that sorts names by the numbers in them: split at digits, texts and numbers alternate and never meet."""
    return _number_key(path.name)


def _number_key(name: str) -> list[str | int]:
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]{1,9})", name))]


# --- Forms ----------------------------------------------------------------------------------------------------------


def _npy(path: Path) -> FoundLayers:
    return FoundLayers((npy_layer(path, _ONE),))


def _npz(path: Path) -> FoundLayers:
    layers = tuple(npz_layers(path))
    with np.load(path, allow_pickle=False) as archive:
        names, origin = words_of_npz({key: archive[key] for key in (NAMES, ORIGIN) if key in archive.files})
    return FoundLayers(layers, names, origin)


def _safetensors(path: Path) -> FoundLayers:
    layers, known = safetensors_layers(path)
    names, origin = words_of_metadata(known)
    return FoundLayers(tuple(sorted(layers, key=lambda layer: _number_key(layer.name))), names, origin)


def _hdf5(path: Path) -> FoundLayers:
    return FoundLayers(tuple(sorted(hdf5_layers(path), key=lambda layer: _number_key(layer.name))))


def _matlab(path: Path) -> FoundLayers:
    names = listed_names_of(path.parent, path)
    return FoundLayers((array_layer(path, _ONE, read_matlab(path, names)),), names)


def _text(path: Path) -> FoundLayers:
    return FoundLayers((array_layer(path, _ONE, read_text_array(path)),))


def _table(path: Path) -> FoundLayers:
    names, array = read_named_table(path)
    return FoundLayers((array_layer(path, _ONE, array),), names)


_READERS: Final[dict[str, Callable[[Path], FoundLayers]]] = {
    **{".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".hdf5": _hdf5, ".h5": _hdf5},
    **{".mat": _matlab, ".txt": _text, **dict.fromkeys(_TABLES, _table)},
}


# --- Names ----------------------------------------------------------------------------------------------------------


def listed_names_of(folder: Path, path: Path) -> tuple[str, ...]:
    """Read the names in the list that lies in a folder.

    Args:
        folder: The folder.
        path: The features that they are of, for messages.

    Raises:
        DataError: If there is no list, or two, or it cannot be read.
    """
    lists = [folder / name for name in LISTS if (folder / name).exists()]
    if len(lists) != 1:
        which = f"lies beside both {' and '.join(LISTS)}" if lists else "does not say which picture each row is of"
        remedy = "leave one of them" if lists else f"put {LISTS[0]} (a name a line) or {LISTS[1]} (a list) beside it"
        raise DataError(f"{path} {which}: {remedy}")
    try:
        with open_plain(lists[0]) as file:
            text = file.read().decode("utf-8-sig")
        if lists[0].suffix == ".json":
            return parse_names(text)
    except (OSError, ValueError) as error:
        raise DataError(f"{lists[0]} cannot be read as names ({one_line(error)}): write one name a row") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def few(names: Sequence[str]) -> str:
    """Name the first three of some names; in quotes where blanks would not be seen."""
    shown = [name if name == " ".join(name.split()) else repr(name) for name in names[:_SHOWN]]
    return ", ".join(map(shortened, shown)) + (", ..." if len(names) > _SHOWN else "")
