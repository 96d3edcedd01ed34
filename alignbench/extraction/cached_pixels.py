"""Prepared pictures in files, one each: what a process of the loader finds there, and what it leaves.

    DIRECTORY/<recipe>/<2 digits>/<SHA-256 of image file and recipe>

An entry is written under another name and renamed, so that nobody ever reads a part of one, and is believed only if its
checksum is right: any number of processes may share a directory without asking each other.
"""

from __future__ import annotations

import hashlib
import math
import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import PIL
import torch
from PIL import Image, features
from torch import Tensor

from alignbench.datasets.images import ImageFiles
from alignbench.files import open_plain
from alignbench.models.preparation import PixelRecipe

SCRATCH: Final = ".tmp"  # how names of what is not yet whole end
# raise the number when a change moves any pixel, refuses any picture, or changes the bytes of an entry
_MAGIC: Final = b"abpixel3"
_HEADER: Final = struct.Struct("<8s3II")  # magic, shape, CRC-32 of the pixels

Shape = tuple[int, int, int]
_State = tuple[bytes, int, int]  # path, size and time of the last change of a file


def entry_bytes(shape: Shape) -> int:
    """Size of the file of a picture, (3, H, W) uint8."""
    return _HEADER.size + math.prod(shape)


def read_entry(entry: str, shape: Shape) -> Tensor | None:
    """A prepared picture; none if there is no entry, or it is not whole, or is of another shape."""
    data = bytearray(entry_bytes(shape))
    try:
        with open_plain(entry) as file:
            if file.readinto(data) != len(data) or file.read(1):
                return None
    except OSError:
        return None
    magic, *found, checksum = _HEADER.unpack_from(data)
    if magic != _MAGIC or tuple(found) != shape or zlib.crc32(memoryview(data)[_HEADER.size :]) != checksum:
        return None
    return torch.frombuffer(data, dtype=torch.uint8, offset=_HEADER.size).view(shape)


def write_entry(entry: str, pixels: Tensor) -> None:
    """Leave a prepared picture, whole or not at all.

    It is not forced to the disk: what a crash of the machine leaves of it has the wrong checksum.

    Raises:
        OSError: If it cannot be written.
    """
    data = np.ascontiguousarray(pixels.numpy()).data
    folder, name = os.path.split(entry)
    scratch = f"{folder}/.{name[:16]}-{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}{SCRATCH}"
    try:
        try:
            file = open(scratch, "wb")  # noqa: SIM115  closed below
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            file = open(scratch, "wb")  # noqa: SIM115
        with file:
            file.write(_HEADER.pack(_MAGIC, *pixels.shape, zlib.crc32(data)))
            file.write(data)
        os.replace(scratch, entry)
    except BaseException:
        with suppress(OSError):
            os.unlink(scratch)
        raise


@dataclass(frozen=True)
class Probe:
    """What a preparation makes of two pictures of noise.

    This tells versions of libraries apart better than their numbers would, but for the decoding of files.

    Attributes:
        shape: Shape of every prepared picture.
        digest: SHA-256 of the pixels.
    """

    shape: Shape
    digest: str


def probe(prepare: Callable[[Image.Image], Tensor]) -> Probe | None:
    """Try a preparation; none if it does not make the same shape of uint8 of everything."""
    draw = partial(np.random.default_rng(0).integers, 0, 256, dtype=np.uint8)
    # 3:1 and 1:3, so that recipes which differ in their rounding alone make the same of them
    made = [prepare(Image.fromarray(draw(size=(height, width, 3)))) for width, height in ((900, 300), (50, 150))]
    if any(pixels.dtype != torch.uint8 or pixels.shape != (3, *made[0].shape[-2:]) for pixels in made):
        return None
    digest = hashlib.sha256(b"".join(pixels.contiguous().numpy().tobytes() for pixels in made))
    return Probe((3, made[0].shape[1], made[0].shape[2]), digest.hexdigest())


@dataclass(frozen=True)
class SettledPreparation:
    """A preparation whose recipe is known, so that the pixels it makes can be kept.

    Attributes:
        prepare: What is done to each picture.
        recipe: What settles the pixels that it makes.
        tried: What it makes of two pictures of noise.
    """

    prepare: Callable[[Image.Image], Tensor]
    recipe: PixelRecipe
    tried: Probe


class CachedPixels:
    """Prepared pictures by index: from the cache, or else from their files, and then also into the cache.

    It goes to the loader's processes. A process that cannot write stops trying; what it decodes is as good.

    Args:
        directory: Directory of the cache.
        images: The pictures.
        preparation: What is done to each picture.
        kept: Number of pictures, counted from the first, for which the cache has room.

    Attributes:
        shape: Shape of a prepared picture.
        writes: Whether this process still leaves what it decodes.
    """

    def __init__(self, directory: str, images: ImageFiles, preparation: SettledPreparation, kept: int) -> None:
        self.directory, self.images, self.kept, self.writes = directory, images, kept, True
        self.prepare, self.recipe, self.shape = preparation.prepare, preparation.recipe, preparation.tried.shape
        decoder = f"Pillow {PIL.__version__}, JPEG {features.version_codec('jpg')}"
        source = f"{type(images).__module__}.{type(images).__qualname__}"
        head = "\0".join([_MAGIC.decode(), decoder, source, preparation.tried.digest])
        self._recipes = [hashlib.sha256(f"{head}\0{text}".encode()).hexdigest() for text in self.recipe.texts]

    def __call__(self, index: int) -> Tensor:
        """A prepared picture, (3, H, W) uint8.

        Raises:
            DataError: If it has to be decoded, and its file is damaged, or it cannot be prepared.
        """
        state = self._state(index)
        if state is None:
            return self.prepare(self.images.open(index))  # which says what is wrong with the file
        for recipe in self._recipes:
            pixels = read_entry(self._entry(recipe, state), self.shape)
            if pixels is not None:
                return pixels
        image = self.images.open(index)
        pixels = self.prepare(image)
        if self.writes and index < self.kept and self._state(index) == state:
            recipe = self._recipes[self.recipe.texts.index(self.recipe.text_for(image.size))]
            try:
                write_entry(self._entry(recipe, state), pixels)
            except OSError:
                self.writes = False
        return pixels

    def find(self, index: int) -> str | None:
        """The entry of a picture, if there is one of the right size; what is in it is not looked at."""
        state = self._state(index)
        if state is None:
            return None
        for recipe in self._recipes:
            entry = self._entry(recipe, state)
            with suppress(OSError):
                if os.stat(entry).st_size == entry_bytes(self.shape):
                    return entry
        return None

    def _entry(self, recipe: str, state: _State) -> str:
        path, size, changed = state
        name = hashlib.sha256(b"%b %d %d %b" % (recipe.encode(), size, changed, path)).hexdigest()
        return f"{self.directory}/{recipe[:16]}/{name[:2]}/{name}"

    def _state(self, index: int) -> _State | None:
        """What tells whether a picture's file is still the same; none if it is not there."""
        path = os.path.abspath(self.images.picture_file(index))
        try:
            state = os.stat(path)
        except OSError:
            return None
        return os.fsencode(path), state.st_size, state.st_mtime_ns
