"""Safetensors files that are written through memory, row by row, before anybody knows all that they will hold.

The header of such a file says where each tensor lies, and depends on their shapes alone. So it is written first, the
room of the whole file is claimed, and the tensors are mapped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.errors import DataError, one_line
from alignbench.files import claim_room, open_plain

Shapes = Mapping[str, tuple[int, ...]]

DTYPES: Final[Mapping[str, torch.dtype]] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_NAMES: Final = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}  # as safetensors has them
MAKE_AGAIN: Final = "remove the folder, and make it again by `alignbench interpret decompose`"
_LENGTH: Final = 8  # bytes that say how long the header is


@dataclass(frozen=True)
class StoreShard:
    """A file of tensors of one type.

    Attributes:
        path: The file.
        shapes: Shapes of its tensors, by name.
        dtype: Their type.
        origin: What the file is of, 8 letters; with its own name it is in the header, so that files that were
            exchanged, or are of another folder, are not there.
    """

    path: Path
    shapes: Shapes
    dtype: torch.dtype
    origin: str = "0" * 8

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._header()) + sum(map(prod, self.shapes.values())) * self.dtype.itemsize

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
        held = np.memmap(self.path, mode="r+", offset=0)
        data = torch.from_numpy(held)[len(self._header()) :].view(self.dtype)
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
            end = start + prod(shape) * self.dtype.itemsize
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
        if tuple(tensor.shape) != shard.shapes[name] or tensor.dtype != shard.dtype:
            raise DataError(f"{shard.path}: {name} is {tensor.dtype} of {tuple(tensor.shape)}: {MAKE_AGAIN}")
    return tensors
