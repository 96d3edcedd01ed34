"""How a picture is brought to a tower's size, as text that is equal where the pixels are.

Two libraries that make the same pixels share their recipe, so that what was prepared for one model serves another.
Normalisation comes later, on the device, and is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alignbench.errors import DataError

_MOST_PIXELS: Final = 2 * (2**30 // 12)  # of more Pillow opens no picture


class PictureError(DataError):
    """A picture that cannot be prepared; whoever knows which it is adds its name."""


def unprepared(size: tuple[int, int], why: str) -> PictureError:
    """Make the error for a picture that cannot be prepared.

    Args:
        size: Its width and height in pixels.
        why: What keeps it from being prepared.
    """
    width, height = size
    return PictureError(f"a picture of {width} x {height} pixels cannot be prepared ({why}): leave it out, or crop it")


def refuse_thin(size: tuple[int, int], covered: tuple[int, int]) -> None:
    """Refuse a picture that would be larger than any that Pillow opens once it covers what a tower takes.

    A file of a few kilobytes can hold 60,000 x 1 pixels, of which resizing the shortest side would make gigabytes.

    Args:
        size: Its width and height in pixels.
        covered: Width and height in pixels that it is resized in proportion to cover.

    Raises:
        PictureError: If it would.
    """
    scale = max(covered[0] / size[0], covered[1] / size[1])
    width, height = (round(scale * side) for side in size)
    if width * height > _MOST_PIXELS:
        raise unprepared(size, f"resized for the model it would have {width} x {height}")


@dataclass(frozen=True)
class PixelRecipe:
    """Everything that settles the pixels which a preparation makes of a picture, but for versions of libraries.

    Attributes:
        text: Equal for preparations that make the same pixels; where `rounding` is given, only of pictures of which a
            central square can be cut out without rounding.
        rounding: How the square is placed where its place falls between two pixels.
        side: Side in pixels of that square, to which the shortest side of the picture is brought first.
    """

    text: str
    rounding: str = ""
    side: int = 0

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that pictures may have under this recipe."""
        return (self.text, f"{self.text}, {self.rounding}") if self.rounding else (self.text,)

    def text_for(self, size: tuple[int, int]) -> str:
        """Return the text for a picture of a width and height; equal texts mean equal pixels."""
        if not self.rounding:
            return self.text
        over = int(self.side * max(size) / min(size)) - self.side
        return self.texts[over % 2]


@runtime_checkable
class Described(Protocol):
    """A preparation that says what it does."""

    @property
    def recipe(self) -> PixelRecipe | None:
        """What settles its pixels; none if that is the picture alone, at its native size."""


def squashed(width: int, height: int, resample: Image.Resampling) -> PixelRecipe:
    """Recipe of the whole picture, resized by Pillow whatever its shape."""
    return PixelRecipe(f"whole picture to {width} x {height}, {resample.name.lower()}")


def central_square(side: int, resample: Image.Resampling, rounding: str) -> PixelRecipe:
    """Recipe of the central square, once the shortest side is resized, and the longest in proportion, rounded down.

    Args:
        side: Side of the square, in pixels.
        resample: Pillow's filter.
        rounding: See `PixelRecipe`.
    """
    return PixelRecipe(f"shortest side to {side}, {resample.name.lower()}, central square", rounding, side)


@dataclass(frozen=True)
class Sized:
    """A picture as (3, H, W) uint8, resized to a common side (PIL, bicubic) or at its native size."""

    side: int | None

    def __call__(self, image: Image.Image) -> Tensor:
        """Prepare a picture."""
        if self.side is not None:
            image = image.resize((self.side, self.side), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)

    @property
    def recipe(self) -> PixelRecipe | None:
        """What settles the pixels of a common side."""
        return None if self.side is None else squashed(self.side, self.side, Image.Resampling.BICUBIC)


def squash(prepare: Callable[[Image.Image], Tensor]) -> Sized:
    """Make the preparation of whole pictures at the size that a tower's own preparation makes."""
    return Sized(int(prepare(Image.new("RGB", (64, 64))).shape[-1]))
