"""A store of contributions while it is written: by several processes, in any order, and gone on with after a stop.

`.partial-NAME/` beside the store holds its files in `store/`, the settings, and a byte for each picture that is 1 once
its rows are on the disk. So whoever goes on needs to know neither how many processes there were, nor where they were.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.arrays import Indices
from alignbench.errors import AlignbenchError, UsageError, unwritable
from alignbench.files import open_plain, write_whole
from alignbench.files.json_text import read_json
from alignbench.files.locks import Lock
from alignbench.files.scratch import put_in_place
from alignbench.interpret.decomposition import Contributions
from alignbench.interpret.shards import ShardMap, torch_dtype
from alignbench.interpret.store import LEFT_OUT, StoreShape, class_name, head_name, is_store, other_name, write_record
from alignbench.results.run_folder import run_hash

_SETTINGS: Final = "settings.json"
_DONE: Final = "done"
_STORE: Final = "store"
_SECONDS: Final = 10.0  # of work that a stop may lose


@dataclass(frozen=True)
class PartialStore:
    """What is there of a store before it is whole.

    Attributes:
        folder: Where the store will be.
        settings: Everything that can change a number; rows of other settings are not taken.
        shape: Sizes of the store.
    """

    folder: Path
    settings: Mapping[str, Any]
    shape: StoreShape

    def __post_init__(self) -> None:
        """Tell the files by the settings."""
        object.__setattr__(self, "shape", replace(self.shape, origin=run_hash(dict(self.settings))))

    @property
    def place(self) -> Path:
        """The folder beside it."""
        return self.folder.with_name(f".partial-{self.folder.name}")

    @contextmanager
    def held(self) -> Iterator[Indices]:
        """Make it, or go on with it, while no other command does, and yield the numbers of the pictures that lack.

        Raises:
            UsageError: If another command is about to make the same store.
            AlignbenchError: If it cannot be written.
        """
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            lock = Lock(self.place)
        except BlockingIOError as error:
            raise UsageError(f"another process makes {self.folder}: wait for it, or choose another --output") from error
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            try:
                if not self._is_ours():
                    self._create()
                done = self._done()
            except OSError as error:
                self.clear()
                raise unwritable(self.folder, error) from error
            try:
                yield np.flatnonzero(done != 1)
            except BaseException:
                if not self._has_rows():  # there is nothing to go on from
                    self.clear()
                raise
        finally:
            lock.release()

    @contextmanager
    def rows(self, names: Sequence[str]) -> Iterator[StoreRows]:
        """Map all files, and yield what writes to them; in the end all of it is on the disk.

        Args:
            names: Names of the pictures, for messages.

        Raises:
            AlignbenchError: If they cannot be written.
        """
        store = self.place / _STORE
        try:
            maps = {shard.path.stem: shard.maps() for shard in self.shape.shards(store)}
            done = np.memmap(self.place / _DONE, dtype=np.uint8, mode="r+")
            rows = StoreRows(self.shape, names, maps, done)
            try:
                yield rows
            finally:
                rows.flush()
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def finish(
        self, names: Sequence[str], details: Mapping[str, Any], constant: Tensor | None, overwrite: bool
    ) -> None:
        """Write what is left, and put the store in its place.

        Args:
            names: Names of the pictures.
            details: What is recorded beside the settings.
            constant: The part that is the same for every picture.
            overwrite: Whether a store that is there is exchanged for it.

        Raises:
            AlignbenchError: If it cannot be written.
        """
        store = self.place / _STORE
        try:
            with self.shape.pictures_shard(store).mapped() as tensors:
                if constant is not None:
                    tensors["constant"][:] = constant.cpu().float()
                closure = {"largest": float(tensors["closure"].max()), "mean": float(tensors["closure"].mean())}
            write_record(store, self.shape, names, {"settings": self.settings, "closure": closure, **details})
            put_in_place(store, self.folder, lambda: is_store(self.folder) and not overwrite)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        self.clear()

    def clear(self) -> None:
        """Remove it."""
        shutil.rmtree(self.place, ignore_errors=True)

    def _done(self) -> NDArray[np.uint8]:
        with open_plain(self.place / _DONE) as file:
            return np.frombuffer(file.read(), dtype=np.uint8)

    def _has_rows(self) -> bool:
        try:
            return bool((self._done() == 1).any())
        except OSError:
            return False

    def _is_ours(self) -> bool:
        try:
            same = read_json(self.place / _SETTINGS) == self.settings and len(self._done()) == self.shape.pictures
        except (OSError, ValueError):
            return False
        return same and all(shard.is_there() for shard in self.shape.shards(self.place / _STORE))

    def _create(self) -> None:
        """Claim the room of all files; the settings are written last, so that it is gone on with if they are there."""
        for each in self.place.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        (self.place / _STORE).mkdir()
        for shard in self.shape.shards(self.place / _STORE):
            shard.create()
        (self.place / _DONE).write_bytes(bytes(self.shape.pictures))
        write_whole(self.place / _SETTINGS, json.dumps(self.settings).encode())


@dataclass
class StoreRows:
    """Writes contributions to their rows.

    Attributes:
        shape: Sizes of the store.
        names: Names of the pictures.
        maps: The files, by their names.
        done: A byte for each picture, mapped.
        written: Rows that are written and not known to be on the disk.
        flushed: When they were last known to be.
    """

    shape: StoreShape
    names: Sequence[str]
    maps: Mapping[str, ShardMap]
    done: NDArray[np.uint8]
    written: list[Indices] = field(default_factory=list)
    flushed: float = field(default_factory=time.monotonic)

    def write(self, rows: Indices, found: Contributions) -> None:
        """Write the contributions of some pictures.

        Args:
            rows: Their numbers.
            found: The contributions, summed over tokens.

        Raises:
            AlignbenchError: If a number is too large for the type that it is kept in.
        """
        kept, where = [layer - 1 for layer in self.shape.layers], torch.from_numpy(rows)
        attention, others = (self._stored(each, rows) for each in (found.attention[:, kept], found.others))
        for number, layer in enumerate(self.shape.layers):
            tensors = self.maps[f"layer_{layer}"].tensors
            for head in range(self.shape.heads):
                tensors[head_name(head)][where] = attention[:, number, head]
        tensors = self.maps["others"].tensors
        for number in range(self.shape.blocks + 1):
            tensors[other_name(number)][where] = others[:, number]
        if len(kept) < self.shape.blocks:
            early = [layer for layer in range(self.shape.blocks) if layer not in kept]
            tensors[LEFT_OUT][where] = self._stored(found.attention[:, early].sum(dim=(1, 2)), rows)
        if found.class_part is not None:
            of_class = self._stored(found.class_part, rows)
            for number in range(self.shape.blocks):
                tensors[class_name(number + 1)][where] = of_class[:, number]
        pictures = self.maps["pictures"].tensors
        pictures["norms"][where], pictures["closure"][where] = found.norm.cpu().float(), found.closure.cpu().float()
        self.written.append(rows)
        if time.monotonic() - self.flushed > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Have all rows on the disk, and only then note that they are.

        Raises:
            OSError: If they cannot be written.
        """
        for each in self.maps.values():
            each.flush()
        for rows in self.written:
            self.done[rows] = 1
        assert isinstance(self.done, np.memmap)
        self.done.flush()
        self.written, self.flushed = [], time.monotonic()

    def _stored(self, values: Tensor, rows: Indices) -> Tensor:
        stored = values.to("cpu", torch_dtype(self.shape.dtype))
        finite = stored.flatten(1).isfinite().all(dim=1)
        if not finite.all():
            name = self.names[int(rows[int(finite.int().argmin())])]
            raise AlignbenchError(
                f"contributions of {name} are too large for --dtype {self.shape.dtype}: use bf16 or fp32"
            )
        return stored
