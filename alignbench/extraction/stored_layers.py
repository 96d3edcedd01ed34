"""One layer of features that exist, as it lies in a file: looked at by its shape first, read in blocks of rows later.

Nothing here unpickles. Arrays of `.npy`, `.safetensors` and HDF5 stay on the disk; one of a `.npz` is in memory while
its layer is open, and tables are read whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.lib.format import open_memmap, read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray
from torch import Tensor

from alignbench.arrays import Indices
from alignbench.errors import DataError, UsageError
from alignbench.files import open_plain

_KINDS: Final = "fiu"  # of NumPy's types: what can be taken for features
_MOST_DIMENSIONS: Final = 4
_BLOCK: Final = 8_000_000  # numbers that are read at once


@dataclass(frozen=True)
class StoredLayer:
    """A layer in a file, one row a picture.

    Attributes:
        name: Name of the layer.
        shape: (n, channels), (n, tokens, channels), or (n, channels, height, width): a map, each place a token.
        opened: Opens what holds its rows, which is indexed by slices and by ascending rows.
    """

    name: str
    shape: tuple[int, ...]
    opened: Callable[[], AbstractContextManager[Any]]

    @property
    def is_map(self) -> bool:
        """Whether a row is a map (channels, height, width)."""
        return len(self.shape) == _MOST_DIMENSIONS

    @property
    def tokens(self) -> int:
        """Tokens of a picture: 1 where a row is a vector."""
        return int(np.prod(self.shape[2:])) if self.is_map else self.shape[1] if len(self.shape) > 2 else 1

    @property
    def channels(self) -> int:
        """Channels of a token."""
        return self.shape[1] if self.is_map else self.shape[-1]

    def rows(self, held: Any, chosen: Indices | slice) -> Tensor:
        """Read some rows of the open layer.

        Args:
            held: What `opened` gave.
            chosen: Which rows; each once where they are numbers.

        Returns:
            (rows, tokens, channels), float32.
        """
        if isinstance(chosen, slice):
            found = held[chosen]
        else:  # HDF5 takes them in ascending order only
            order = np.argsort(chosen)
            found = held[torch.from_numpy(chosen) if isinstance(held, Tensor) else chosen[order]]
            found = found if isinstance(held, Tensor) else found[np.argsort(order)]
        if not isinstance(found, Tensor):
            with np.errstate(over="ignore"):  # what is too large is infinite then, and refused
                found = torch.from_numpy(np.array(found, dtype=np.float32))
        features: Tensor = found.float()
        if self.is_map:
            return features.flatten(2).transpose(1, 2)
        return features if features.ndim > 2 else features[:, None]

    def blocks(self, held: Any) -> Iterator[tuple[int, Tensor]]:
        """Read the open layer from its first row to its last: the number of a block's first row, and its rows."""
        step = max(1, _BLOCK // int(np.prod(self.shape[1:])))
        for start in range(0, self.shape[0], step):
            yield start, self.rows(held, slice(start, start + step))


def check_array(path: Path, name: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Refuse an array that cannot be features.

    Args:
        path: The file, for messages.
        name: Name of the layer.
        shape: Shape of the array.
        dtype: Its type, as NumPy has it.

    Raises:
        DataError: If it is of another number of dimensions than 2 to 4, empty, or holds anything but real numbers.
    """
    remedy = "save plain numbers, (n, channels), (n, tokens, channels) or (n, channels, height, width)"
    if dtype.kind not in _KINDS:
        raise DataError(f"{path}: {name} holds {dtype}, which are no features: {remedy}")
    if not 2 <= len(shape) <= _MOST_DIMENSIONS:
        raise DataError(f"{path}: {name} is of shape {shape}: {remedy}")
    if not all(shape):
        raise DataError(f"{path}: {name} is empty, of shape {shape}: {remedy}")


def array_layer(path: Path, name: str, array: NDArray[Any]) -> StoredLayer:
    """Make a layer of an array, in memory or mapped.

    Raises:
        DataError: See `check_array`.
    """
    check_array(path, name, array.shape, array.dtype)
    return StoredLayer(name, array.shape, partial(nullcontext, array))


def npy_layer(path: Path, name: str) -> StoredLayer:
    """Look at a `.npy`, whose rows stay on the disk.

    Raises:
        DataError: See `check_array`.
        ValueError: If it is damaged, or holds objects; and other errors of NumPy's.
    """
    open_plain(path).close()
    return array_layer(path, name, open_memmap(path, mode="r"))


def npz_layers(path: Path) -> Iterator[StoredLayer]:
    """Look at the arrays of a `.npz` with two dimensions or more; others are no features and are passed over.

    Raises:
        DataError: See `check_array`.
        ValueError: If it is damaged, or holds objects; and other errors of NumPy's.
    """
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        members = archive.namelist()
        if len(set(members)) < len(members):
            raise ValueError("it holds two arrays of one name")
        for member in members:
            with archive.open(member) as array:
                version = read_magic(array)
                shape, _, dtype = (read_array_header_1_0 if version == (1, 0) else read_array_header_2_0)(array)
            name = member.removesuffix(".npy")
            if dtype.hasobject:
                raise ValueError(f"{name} holds objects")
            if len(shape) > 1:
                check_array(path, name, shape, dtype)
                yield StoredLayer(name, shape, _member(path, name))


def _member(path: Path, name: str) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def opened() -> Iterator[Any]:
        with np.load(path, allow_pickle=False) as archive:
            yield archive[name]

    return opened


def safetensors_layers(path: Path) -> tuple[list[StoredLayer], dict[str, str]]:
    """Look at the arrays of a `.safetensors` with two dimensions or more, which stay on the disk, and its metadata.

    Raises:
        DataError: See `check_array`.
        ValueError: If it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    open_plain(path).close()
    try:
        with safe_open(path, framework="pt") as file:
            known = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    layers = []
    for name, tensor in arrays.items():
        if tensor.ndim > 1:
            kind = np.dtype(np.float32 if tensor.dtype.is_floating_point else str(tensor.dtype).removeprefix("torch."))
            check_array(path, name, tuple(tensor.shape), kind)
            layers.append(StoredLayer(name, tuple(tensor.shape), partial(nullcontext, tensor)))
    return layers, known


def hdf5_layers(path: Path) -> list[StoredLayer]:
    """Look at the data sets of an HDF5 file, which stay on the disk; one that points to another file is not followed.

    Raises:
        UsageError: If h5py is not installed.
        DataError: If it holds anything but arrays of features; see `check_array`.
        OSError: If it is damaged; and other errors of h5py's.
    """
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            f"{path} is HDF5, and h5py is not installed: pip install 'alignbench[hdf5]', or save it as .npy"
        ) from error
    open_plain(path).close()
    layers = []
    with h5py.File(path, "r") as file:
        for name in file:
            linked = file.get(name, getlink=True)
            array = file[name] if isinstance(linked, h5py.HardLink) else None
            if not isinstance(array, h5py.Dataset) or array.external is not None or array.is_virtual:
                raise DataError(f"{path}: {name} is no array of this file: leave arrays alone in it, and no groups")
            shape = tuple(array.shape or ())
            check_array(path, name, shape, array.dtype)
            layers.append(StoredLayer(name, shape, _data_set(path, name)))
    return layers


def _data_set(path: Path, name: str) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def opened() -> Iterator[Any]:
        import h5py

        with h5py.File(path, "r") as file:
            yield file[name]

    return opened
