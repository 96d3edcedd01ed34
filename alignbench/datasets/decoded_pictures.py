"""Pictures of files in RGB: those of data sets, and one that somebody brings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeVar

from PIL import Image, UnidentifiedImageError

from alignbench.datasets import jpeg_data
from alignbench.datasets.orientation import turned_upright
from alignbench.datasets.png_chunks import check_chunks
from alignbench.datasets.rgb import DepthError, to_rgb
from alignbench.errors import DataError
from alignbench.files import UNREADABLE

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a picture is said in a line of ours
Image.init()
# Pillow would hand a file of any name that holds PostScript to another program
FORMATS: Final = tuple(
    kind
    for kind in ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
    if kind in Image.OPEN
)
UNDECODABLE: Final = (*UNREADABLE, Image.DecompressionBombError)
T = TypeVar("T")


def decoded(file: BinaryIO, take: Callable[[Image.Image, Image.Image], T]) -> T:
    """Decode a picture, once every check that its format has was made.

    Args:
        file: The file.
        take: What to make of the picture in RGB, and of what Pillow has decoded.
    """

    def finished(image: Image.Image) -> T:
        return take(to_rgb(image), image)

    check_chunks(file)
    with Image.open(file, formats=FORMATS) as image:
        if image.format in jpeg_data.FORMATS:
            image.load()
            file.seek(0)
            if jpeg_data.ends_early(file.read(), image):
                raise OSError("its data end early")
            return finished(image)
        if image.format != "PNG":
            return finished(image)
        image.verify()  # PNG has checksums, and decoding alone does not look at them
    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:
        return finished(image)


def as_stored(rgb: Image.Image, _: Image.Image) -> Image.Image:
    """Return a picture as its file has it, whatever its EXIF orientation is; see `decoded`."""
    return rgb


@dataclass(frozen=True, eq=False)
class BroughtPicture:
    """A picture that somebody has brought.

    Attributes:
        image: The picture in RGB, at its native size, as its EXIF orientation says.
        is_turned: Whether it is turned, so that it is another than the one that is stored.
        is_first: Whether its file has more pictures, of which it is the first.
    """

    image: Image.Image
    is_turned: bool
    is_first: bool


def decoded_picture(file: BinaryIO, name: str, most_pixels: int) -> BroughtPicture:
    """Decode a picture that comes from somebody else, as `FileImages.open` does a file, and turn it upright.

    Args:
        file: The picture.
        name: What it is called in errors.
        most_pixels: How large it may be; nothing larger is decoded.

    Raises:
        DataError: If it is no picture, damaged, or too large.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > most_pixels:
                raise DataError(
                    f"{name} has {width:,} x {height:,} pixels, and {most_pixels:,} are read: make it smaller"
                )
            is_first = has_more_frames(image)
        file.seek(0)
        stored, upright = decoded(file, lambda rgb, image: (rgb, turned_upright(rgb, image)))
        is_turned = upright is not stored and (stored.size, stored.tobytes()) != (upright.size, upright.tobytes())
        return BroughtPicture(upright, is_turned, is_first)
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not a picture: give a file of {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} has more than the {most_pixels:,} pixels that are read: make it smaller") from error
    except DepthError as error:
        raise DataError(f"{name} {error}") from error
    except UNDECODABLE as error:
        raise DataError(f"{name} cannot be decoded ({fault_of(error)}): save it again") from error


def has_more_frames(image: Image.Image) -> bool:
    """Whether a file holds more pictures than the one that is read; those of an MPO are mere previews of it.

    Args:
        image: What it was opened as.
    """
    try:
        return image.format not in jpeg_data.FORMATS and bool(getattr(image, "is_animated", False))
    except UNDECODABLE:  # of a GIF, which looks for the second one only now: the first is checked by decoding it
        return False


def fault_of(error: BaseException) -> str:
    """What an error of Pillow or of the system says, without the name of the file."""
    return getattr(error, "strerror", None) or str(error)
