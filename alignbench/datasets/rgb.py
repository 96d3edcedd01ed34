"""From whatever a picture file holds to 8-bit RGB, and the pictures of more bits that would lose what they show."""

from __future__ import annotations

import numpy as np
from PIL import Image

_HIGHEST = {"I": 65_535, "F": 255}  # grey value of white, of whole numbers of 16 or 32 bits and of floating-point ones

_DARK = 64  # of 256: a picture of more bits without a brighter grey is likely to have another white than its format

_PHOTOMETRIC = 262  # tag of a TIFF file: 0 if zero is white


class DepthError(ValueError):
    """A picture of more than 8 bits that would become black, or one flat colour, though its file is not."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any picture to 8-bit RGB.

    Grey, palette and CMYK pictures are converted, transparency is dropped, and 16-bit values keep their high byte
    (Pillow alone would clip greys to white). Whole grey values of 32 bits are taken as those of 16, and floating-point
    ones as 0 to 255.

    Raises:
        DepthError: If grey values of more than 8 bits lie outside that range, or if a picture of more than 8 bits uses
            only the darkest quarter of it, as values of 14 bits or fewer do, or would become one flat colour; or if it
            counts them from white.
    """
    if image.mode[:1] in _HIGHEST:
        return _from_grey(image)
    deep = has_many_bits(image)
    rgb = image.convert("RGB")
    if deep:  # Pillow has kept the high bytes alone, so that what a flat picture was cannot be told any more
        extremes = _extremes(rgb)
        if rgb.size != (1, 1) and (_is_flat(rgb) or max(high for _, high in extremes) < _DARK):
            raise DepthError(f"has 16 bits a channel, and would become nearly black or one flat colour in 8: {_REMEDY}")
    return rgb


def has_many_bits(image: Image.Image) -> bool:
    """Whether a picture that is not decoded yet has more than 8 bits a channel."""
    if image.mode[:1] in _HIGHEST:
        return True
    if image.format == "BMP":  # whose 16 bits are those of a pixel
        return False
    decoding = next((tile[3] for tile in getattr(image, "tile", ())), "")
    if image.format == "PPM":  # which Pillow scales to 8 bits, by the highest value that the file names
        return isinstance(decoding, tuple) and decoding[1] > 255
    return ";16" in str(decoding)


_REMEDY = "save it with 8 bits a channel, or scale it to the whole range"


def _from_grey(image: Image.Image) -> Image.Image:
    highest = _HIGHEST[image.mode[:1]]
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:  # which Pillow reads as a negative, if it has 16 bits
        raise DepthError(f"counts its grey values of more than 8 bits from white: {_REMEDY}")
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= highest):  # so that not-a-number is refused too
        raise DepthError(f"has grey values from {low:g} to {high:g}, where 0 to {highest:,} are read: {_REMEDY}")
    if image.mode.startswith("I"):  # I;16 in its byte orders, or I, which Pillow uses for some 16-bit files
        image = Image.fromarray((values.astype(np.int64) >> 8).astype(np.uint8))
    rgb = image.convert("RGB")
    if low < high and (high < (highest + 1) * _DARK / 256 or _is_flat(rgb)):
        raise DepthError(
            f"has grey values from {low:g} to {high:g} of 0 to {highest:,}, and would become nearly black or one flat "
            f"colour: {_REMEDY}"
        )
    return rgb


def _is_flat(rgb: Image.Image) -> bool:
    return all(low == high for low, high in _extremes(rgb))


def _extremes(rgb: Image.Image) -> list[tuple[int, int]]:
    return [channel.getextrema() for channel in rgb.split()]  # type: ignore[misc]  # of one channel a pair
