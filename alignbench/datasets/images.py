"""Where a data set's pictures come from, and which of them can be read.

Files are looked at before any model is loaded: `FileImages.identities` opens every header, checks that the file is
whole as cheaply as its format allows, and gives each picture an identity. Pictures with the same bytes share their
identity, so that identical images are embedded once and tie exactly.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from PIL import Image, UnidentifiedImageError

from alignbench.arrays import Indices
from alignbench.datasets import jpeg_data
from alignbench.datasets.decoded_pictures import FORMATS, UNDECODABLE, as_stored, decoded, fault_of, has_more_frames
from alignbench.datasets.orientation import turned_upright
from alignbench.datasets.picture_remarks import PictureRemarks
from alignbench.datasets.png_chunks import check_chunks
from alignbench.datasets.rgb import DepthError, has_many_bits
from alignbench.errors import DataError
from alignbench.files import open_plain

_SAMPLE = 4096
_SHOWN = 5


class ImageSource(Protocol):
    """A collection of pictures, each with an index."""

    @property
    def names(self) -> Sequence[str]:
        """A stable name for each picture."""

    def open(self, index: int) -> Image.Image:
        """Open the picture at an index in RGB, at its native size."""

    def select(self, indices: Indices) -> ImageSource:
        """Select the pictures at some indices, in that order."""

    def identities(self) -> list[str]:
        """Return a short text for each picture; two texts are equal exactly where the pictures are.

        Raises:
            DataError: If any picture is missing or cannot be read; names them.
        """


def images_digest(names: Sequence[str], identities: Sequence[str]) -> str:
    """Return SHA-256 over the names of all pictures and what is in them, which stands in the record of a store.

    Args:
        names: Their names.
        identities: See `ImageSource.identities`.
    """
    told = list(zip(names, identities, strict=True))
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@runtime_checkable
class ImageFiles(ImageSource, Protocol):
    """Pictures that come from one file each, so that what was made of a picture can be kept beyond a run."""

    def picture_file(self, index: int) -> Path:
        """Return the file of the picture at an index; while it stays the same, so does what `open` gives."""


@dataclass(frozen=True)
class FileImages:
    """Pictures in files below one root.

    Attributes:
        root: Folder of the data set.
        names: Paths relative to it, with forward slashes.
    """

    root: Path
    names: tuple[str, ...]

    def open(self, index: int, *, upright: bool = False) -> Image.Image:
        """Open the picture at an index in RGB, at its native size.

        Args:
            index: Place of its name.
            upright: Whether to turn it as its EXIF orientation says, which no picture of a data set is.

        Raises:
            DataError: If the file is damaged in a way that only decoding shows; names it.
        """
        path = self.root / self.names[index]
        try:
            with PictureRemarks().gathered(), open_plain(path) as file:  # `identities` says what there is to say
                return decoded(file, turned_upright if upright else as_stored)
        except DepthError as error:
            raise DataError(f"{path} {error}") from error
        except UNDECODABLE as error:
            raise DataError(f"{path} cannot be decoded ({fault_of(error)}): download it again") from error

    def picture_file(self, index: int) -> Path:
        """Give the file of the picture at an index."""
        return self.root / self.names[index]

    def select(self, indices: Indices) -> FileImages:
        """Select the pictures at some indices, in that order."""
        return FileImages(self.root, tuple(self.names[int(i)] for i in indices))

    def identities(self) -> list[str]:
        """Return a short text for each picture; two texts are equal exactly where the pictures are.

        An identity is a hash of the size and the first, middle and last 4 KiB; where those of several files coincide,
        `/` and a hash of every byte follow.

        Raises:
            DataError: If any picture is missing or cannot be read; names them.
        """
        looks = self._looks(thorough=False)
        broken = self._broken(looks)
        if broken:
            raise DataError(_broken_line(broken, len(looks), self.root))
        counts = Counter(look.identity for look in looks)
        with _threads() as pool:
            return list(
                pool.map(
                    lambda name, look: self._full_identity(name, look) if counts[look.identity] > 1 else look.identity,
                    self.names,
                    looks,
                )
            )

    def faults(self) -> list[str]:
        """List the pictures that are missing or cannot be read, each with the reason; JPEG files are decoded."""
        return self._broken(self._looks(thorough=True))

    def _looks(self, *, thorough: bool) -> list[_CheckedImage]:
        remarks = PictureRemarks()
        formats = jpeg_data.FORMATS if thorough else frozenset()
        with remarks.gathered(), _threads() as pool:
            looks = list(pool.map(lambda name: self._look(name, formats, remarks), self.names))
        remarks.warn(self.names, self.root)
        return looks

    def _broken(self, looks: list[_CheckedImage]) -> list[str]:
        return [f"{name} ({look.fault})" for name, look in zip(self.names, looks, strict=True) if look.fault]

    def _full_identity(self, name: str, look: _CheckedImage) -> str:
        with open_plain(self.root / name) as file:
            return f"{look.identity}/{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def _look(self, name: str, thorough: frozenset[str], remarks: PictureRemarks) -> _CheckedImage:
        remarks.looking_at(name)
        try:
            with open_plain(self.root / name) as file:
                return _CheckedImage(_sample_digest(file), _fault(file, thorough, remarks))
        except FileNotFoundError:
            return _CheckedImage("", "missing")
        except OSError as error:
            return _CheckedImage("", error.strerror or "unreadable")


@dataclass(frozen=True)
class _CheckedImage:
    identity: str
    fault: str


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1)))


def _broken_line(broken: list[str], total: int, root: Path) -> str:
    shown = ", ".join(broken[:_SHOWN]) + (", ..." if len(broken) > _SHOWN else "")
    return f"{len(broken)} of {total} images under {root} are missing or unreadable: {shown}; complete the download"


def _sample_digest(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    digest = hashlib.sha256(str(size).encode())
    for start in sorted({0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)}):
        file.seek(start)
        digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def _fault(file: BinaryIO, thorough: frozenset[str], remarks: PictureRemarks) -> str:
    """Say what is wrong with a picture file; empty if nothing is.

    A whole file is told from its end where the format has a mark there, or from its length; any other is decoded, and
    so are those of the formats `thorough`.
    """
    try:
        check_chunks(file, before_pixels=True)
        with Image.open(file, formats=FORMATS) as image:
            kind = image.format or ""
            if has_more_frames(image):
                remarks.add("of several frames the first is read")
            decode = kind in thorough or has_many_bits(image) or not _ends_well(file, kind)
        if decode:
            file.seek(0)
            decoded(file, as_stored)
    except UnidentifiedImageError:
        return "not an image"
    except DepthError as error:
        return str(error)
    except UNDECODABLE as error:
        return "truncated" if "truncated" in str(error).lower() else f"damaged: {fault_of(error)}"
    return ""


def _ends_well(file: BinaryIO, kind: str) -> bool:
    size = file.seek(0, os.SEEK_END)
    if kind == "BMP":
        file.seek(2)
        return int.from_bytes(file.read(4), "little") == size
    tails = {"PNG": b"\x00\x00\x00\x00IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}
    if kind not in tails:
        return False
    file.seek(max(0, size - 12))
    return file.read().endswith(tails[kind])
