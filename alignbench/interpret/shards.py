"""Safetensors files that are written through memory, row by row, before anybody knows all that they will hold.

The header of such a file says where each tensor lies, and depends on their shapes alone. So it is written first, the
room of the whole file is claimed, and the tensors are mapped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import DataError, one_line
from alignbench.files import claim_room, open_plain

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")
Shapes = Mapping[str, tuple[int, ...]]

DTYPES: Final = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}  # as torch has them
_NAMES: Final = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}  # as safetensors has them
_BYTES: Final = {"fp32": 4, "fp16": 2, "bf16": 2}
MAKE_AGAIN: Final = "remove the folder, and make it again by `alignbench interpret decompose`"
_LENGTH: Final = 8  # bytes that say how long the header is


def torch_dtype(name: str) -> torch.dtype:
    """Return the type that numbers are kept in, by its short name."""
    import torch

    found: torch.dtype = getattr(torch, DTYPES[name])
    return found


@dataclass(frozen=True)
class StoreShard:
    """A file of tensors of one type.

    Attributes:
        path: The file.
        shapes: Shapes of its tensors, by name.
        dtype: Their type: `fp32`, `fp16` or `bf16`.
        origin: What the file is of, 8 letters; with its own name it is in the header, so that files that were
            exchanged, or are of another folder, are not there.
    """

    path: Path
    shapes: Shapes
    dtype: str
    origin: str = "0" * 8

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._header()) + sum(map(prod, self.shapes.values())) * _BYTES[self.dtype]

    def create(self) -> None:
        """Write the header and claim the room of the tensors, which are zero.

        Raises:
            OSError: If there is no room, or the file cannot be written.
        """
        header = self._header()
        with self.path.open("w+b") as file:
            file.write(header)
            file.flush()
            claim_room(file.fileno(), self.size)

    def is_there(self) -> bool:
        """Whether the file is there with that header, in its whole length."""
        header = self._header()
        try:
            with open_plain(self.path) as file:
                found = file.read(len(header))
            return found == header and self.path.stat().st_size == self.size
        except OSError:
            return False

    @contextmanager
    def mapped(self) -> Iterator[dict[str, Tensor]]:
        """Yield the tensors by name, mapped for writing; what was written is on the disk in the end.

        Raises:
            OSError: If the file cannot be mapped, or written back.
        """
        maps = self.maps()
        try:
            yield maps.tensors
        finally:
            maps.flush()

    def maps(self) -> ShardMap:
        """Map the tensors for writing.

        Raises:
            OSError: If the file cannot be mapped.
        """
        import torch

        held = np.memmap(self.path, mode="r+", offset=0)
        data = torch.from_numpy(held)[len(self._header()) :].view(torch_dtype(self.dtype))
        tensors, start = {}, 0
        for name, shape in self.shapes.items():
            tensors[name] = data[start : start + prod(shape)].view(shape)
            start += prod(shape)
        return ShardMap(held, tensors)

    def _header(self) -> bytes:
        """Length and text of the header, whose end is aligned for every type."""
        told: dict[str, Any] = {"__metadata__": {"file": self.path.stem, "origin": self.origin}}
        start = 0
        for name, shape in self.shapes.items():
            end = start + prod(shape) * _BYTES[self.dtype]
            told[name] = {"dtype": _NAMES[self.dtype], "shape": list(shape), "data_offsets": [start, end]}
            start = end
        text = json.dumps(told, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _LENGTH)
        return len(text).to_bytes(_LENGTH, "little") + text


@dataclass(frozen=True)
class ShardMap:
    """The tensors of a file, mapped for writing.

    Attributes:
        held: The whole file.
        tensors: The tensors by name.
    """

    held: NDArray[np.uint8]
    tensors: dict[str, Tensor]

    def flush(self) -> None:
        """Have what was written on the disk.

        Raises:
            OSError: If it cannot be.
        """
        assert isinstance(self.held, np.memmap)
        self.held.flush()


def open_shard(shard: StoreShard) -> dict[str, Tensor]:
    """Map the tensors of a file for reading.

    Raises:
        DataError: If it is damaged, or not what it should be.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_plain(shard.path).close()
        with safe_open(shard.path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in shard.shapes}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{shard.path} cannot be read ({one_line(error)}): {MAKE_AGAIN}") from error
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shard.shapes[name] or tensor.dtype != torch_dtype(shard.dtype):
            raise DataError(f"{shard.path}: {name} is {tensor.dtype} of {tuple(tensor.shape)}: {MAKE_AGAIN}")
    return tensors


@dataclass(frozen=True)
class _OpenFile:
    """A file that is read: what it was when it was opened, its tensors, which of them are finite, and what was made."""

    stamp: tuple[int, ...]
    tensors: dict[str, Tensor]
    finite: set[str] = field(default_factory=set)
    made: dict[Hashable, Any] = field(default_factory=dict)


class MappedShards:
    """Files of tensors that are read again and again: they stay mapped while they are not written anew.

    Whether a tensor is finite is looked at when it is read for the first time.
    """

    def __init__(self) -> None:
        self._open: dict[Path, _OpenFile] = {}

    def read(self, shard: StoreShard, names: Sequence[str]) -> list[NDArray[np.float32]]:
        """Map some tensors of a file, or read them where they are kept in 16 bits.

        Args:
            shard: The file.
            names: Which of its tensors.

        Raises:
            DataError: If it is damaged, not what it should be, or holds numbers that are not finite.
        """
        file = self._opened(shard)
        found = [file.tensors[name].float().numpy() for name in names]
        for name, array in zip(names, found, strict=True):
            if name in file.finite:
                continue
            if not np.isfinite(array).all():
                raise DataError(f"{shard.path}: {name} holds numbers that are not finite: {MAKE_AGAIN}")
            file.finite.add(name)
        return found

    def remembered(self, shard: StoreShard, what: Hashable, make: Callable[[], T]) -> T:
        """Make something of a file once, for as long as it stays the same.

        Args:
            shard: The file.
            what: What is made.
            make: Makes it.

        Raises:
            DataError: If the file is damaged.
        """
        made = self._opened(shard).made
        if what not in made:
            made[what] = make()
        found: T = made[what]
        return found

    def _opened(self, shard: StoreShard) -> _OpenFile:
        try:
            status = shard.path.stat()
        except OSError as error:
            raise DataError(f"{shard.path} cannot be read ({one_line(error)}): {MAKE_AGAIN}") from error
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        found = self._open.get(shard.path)
        if found is None or found.stamp != stamp:
            found = self._open[shard.path] = _OpenFile(stamp, open_shard(shard))
        return found
