"""The directory of prepared pictures: made at the start of a run, kept within its size, looked after at the end.

The processes that read and write entries (`cached_pixels`) count nothing together. This one, of which a run has one,
makes room for what will come before they start, from what was used longest ago, and says at the end what did not come.
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alignbench.datasets.images import ImageFiles, ImageSource
from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.extraction.cached_pixels import (
    SCRATCH,
    CachedPixels,
    SettledPreparation,
    entry_bytes,
    probe,
    write_entry,
)
from alignbench.files import cache_folder
from alignbench.models.preparation import Described

OFF: Final = "off"
DEFAULT_SIZE: Final = 20_000_000_000  # bytes
_ENTRY: Final = re.compile(r"[0-9a-f]{64}")  # nothing else is ever removed, whatever directory was named
_FOLDERS: Final = (re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{2}"))
_ABANDONED: Final = 3600.0  # seconds after which nobody is still writing an entry


@dataclass(frozen=True)
class Stock:
    """Some pictures before a run, and which of them the cache lacks.

    Attributes:
        pixels: Reads the pictures.
        missing: Indices of those that have to be decoded.
    """

    pixels: CachedPixels
    missing: NDArray[np.int64]

    @property
    def there(self) -> int:
        """Number of pictures that need not be decoded."""
        return len(self.pixels.images.names) - len(self.missing)


@dataclass(frozen=True)
class PixelCache:
    """A directory of prepared pictures.

    Attributes:
        directory: Where the pictures are.
        size: Bytes that they may take; runs at the same time may exceed it until one of them ends.
    """

    directory: Path
    size: int

    @staticmethod
    def open(choice: str | Path | None, size: int) -> PixelCache | None:
        """Make the directory where needed.

        Args:
            choice: A directory, `off` for none, or nothing for the default one. Where the latter cannot be made, there
                is a warning, and no cache.
            size: In bytes.

        Raises:
            UsageError: If the directory that was asked for cannot be made.
        """
        if choice == OFF:
            return None
        directory = Path(choice) if choice else cache_folder("pixels")
        problem = _problem(directory)
        if problem and choice:
            raise UsageError(f"the pixel cache {directory} {problem}: choose another directory, or --pixel-cache off")
        if problem or directory is None:
            warnings.warn(
                f"the pixel cache {directory or ''} {problem}, so that pictures are decoded every time: choose another "
                "with --pixel-cache DIR",
                AlignbenchWarning,
                stacklevel=2,
            )
            return None
        return PixelCache(Path(os.path.abspath(directory)), size)

    def pixels(self, images: ImageSource, prepare: Callable[[Image.Image], Tensor]) -> CachedPixels | None:
        """What reads prepared pictures; none if they are in no files, or nobody knows what settles their pixels.

        Args:
            images: The pictures.
            prepare: What is done to each; see `alignbench.models.preparation.Described`.
        """
        if not isinstance(images, ImageFiles) or not isinstance(prepare, Described) or prepare.recipe is None:
            return None
        tried = probe(prepare)
        if tried is None:
            return None
        kept = min(len(images.names), self.size // entry_bytes(tried.shape))
        return CachedPixels(str(self.directory), images, SettledPreparation(prepare, prepare.recipe, tried), kept)

    def stock(self, images: ImageSource, prepare: Callable[[Image.Image], Tensor], leads: bool = True) -> Stock | None:
        """Find out which of some pictures are in the cache; none where there are no `pixels`.

        Args:
            images: The pictures.
            prepare: What is done to each picture.
            leads: Whether this is the first process of the run, which looks after the cache (`make_room`, `finish`).
        """
        pixels = self.pixels(images, prepare)
        if pixels is None:
            return None
        return self.make_room(pixels) if leads else Stock(pixels, np.empty(0, dtype=np.int64))

    def make_room(self, pixels: CachedPixels) -> Stock:
        """Find what is there, mark it as used, and make room for the rest; for the first process of a run."""
        used: set[str] = set()
        missing = []
        for index in range(len(pixels.images.names)):
            entry = pixels.find(index)
            if entry is None:
                missing.append(index)
            elif index < pixels.kept:
                used.add(entry)
                with suppress(OSError):  # what cannot be marked can be read
                    os.utime(entry)
        stock = Stock(pixels, np.array(missing, dtype=np.int64))
        if pixels.kept < len(pixels.images.names):
            warnings.warn(
                f"the pixel cache holds {pixels.kept:,} of these {len(pixels.images.names):,} pictures: raise "
                f"--pixel-cache-size to {len(pixels.images.names) * entry_bytes(pixels.shape) / 1e9:.1f}GB for all",
                AlignbenchWarning,
                stacklevel=2,
            )
        expected = sum(index < pixels.kept for index in missing)
        if expected:
            self._trim(self.size - expected * entry_bytes(pixels.shape), used)
        return stock

    def finish(self, stock: Stock) -> int:
        """Trim the cache to its size again; for the first process of a run, after the last picture was read.

        Returns:
            How many pictures did not come to the cache although it has room for them. A warning says why.
        """
        pixels = stock.pixels
        expected = [int(index) for index in stock.missing if index < pixels.kept]
        absent = sum(pixels.find(index) is None for index in expected)
        self._trim(self.size)
        if absent:
            warnings.warn(
                f"{absent:,} of {len(pixels.images.names):,} pictures are not in the pixel cache {self.directory} "
                f"({self._obstacle(pixels)}) and will be decoded again: make room there, or choose another directory "
                "with --pixel-cache",
                AlignbenchWarning,
                stacklevel=2,
            )
        return absent

    def _obstacle(self, pixels: CachedPixels) -> str:
        """What keeps an entry from being written."""
        trial = self.directory / f"trial-{os.getpid()}"
        try:
            write_entry(str(trial), torch.zeros(pixels.shape, dtype=torch.uint8))
            trial.unlink()
        except OSError as error:
            return error.strerror or "it cannot be written to"
        return "the disk was full for a while, or other runs needed the room"

    def _trim(self, size: int, used: set[str] | None = None) -> None:
        """Remove what was used longest ago until the rest is within a size; other processes may do so as well.

        Args:
            size: In bytes.
            used: Entries that stay.
        """
        entries = list(self._entries())
        excess = sum(taken for _, taken, _ in entries) - size
        if excess <= 0:
            return
        for _, taken, entry in sorted(entries):
            if excess <= 0:
                return
            if not used or entry not in used:
                with suppress(OSError):
                    os.unlink(entry)
                    excess -= taken

    def _entries(self) -> Iterator[tuple[int, int, str]]:
        """Time of last use (ns), bytes and path of every entry; removes what was abandoned half-written."""
        for recipe in _scan(str(self.directory)):
            if not _FOLDERS[0].fullmatch(recipe.name):
                continue
            for folder in _scan(recipe.path):
                if not _FOLDERS[1].fullmatch(folder.name):
                    continue
                for file in _scan(folder.path):
                    with suppress(OSError):  # another process has removed it
                        state = file.stat(follow_symlinks=False)
                        if _ENTRY.fullmatch(file.name):
                            yield state.st_mtime_ns, state.st_size, file.path
                        elif file.name.endswith(SCRATCH) and time.time() - state.st_mtime > _ABANDONED:
                            os.unlink(file.path)


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _problem(directory: Path | None) -> str:
    """What keeps a directory from being one; empty if nothing does."""
    if directory is None:
        return "has no place, because there is no home directory"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return "is a file" if directory.is_file() else f"cannot be made ({error.strerror})"
    return ""
