"""Where in a picture heads say what a text says: a number for each patch, and that laid over the picture."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alignbench.arrays import Floats
from alignbench.errors import UsageError
from alignbench.interpret.searching.similarity import Rows, similarities

Pixels = NDArray[np.uint8]
_STRONGEST: Final = 0.7  # share of the colour where the map is largest
_COLOURS: Final = ((0.85, 0.1, 0.1), (0.1, 0.25, 0.85))  # above and below 0


def topic_map(patches: Rows, text: Rows, measure: str = "dot") -> Floats:
    """Say of each patch how much heads say of it what a text says.

    Args:
        patches: Contributions by patch and head, (patches, H, d'); those of several heads are added up.
        text: The embedding of the text, (d').
        measure: See `similarities`; `centred` is by the mean over patches.

    Returns:
        (patches,).
    """
    return similarities(patches.sum(axis=1, dtype=np.float64), text, measure, is_text=True)


def contrastive_map(patches: Rows, text: Rows, against: Rows, measure: str = "dot") -> Floats:
    """Say of each patch how much more heads say of it what one text says than what another does.

    Args:
        patches: See `topic_map`.
        text: The embedding of the text, (d').
        against: That of the other.
        measure: See `topic_map`.

    Returns:
        The difference of both maps, (patches,).
    """
    return topic_map(patches, text, measure) - topic_map(patches, against, measure)


def patch_grid(values: Floats, height: int, width: int) -> Floats:
    """Lay the values of patches out as they lie in the picture.

    Args:
        values: (patches,), row by row.
        height: Height of the prepared picture.
        width: Width of it.

    Returns:
        (rows, columns).

    Raises:
        UsageError: If so many patches do not fill such a picture.
    """
    rows = round((len(values) * height / width) ** 0.5)
    if rows < 1 or len(values) % rows or rows * width != (len(values) // rows) * height:
        raise UsageError(
            f"{len(values)} patches do not fill a picture of {width} x {height}: maps take a model with square patches"
        )
    return values.reshape(rows, -1)


def upsampled(grid: Floats, height: int, width: int) -> Floats:
    """Interpolate a map bilinearly between the centres of patches, and take the nearest beyond them.

    Args:
        grid: (rows, columns).
        height: Height of the picture.
        width: Width of it.

    Returns:
        (height, width).
    """
    down, across = (_weights(here, there) for here, there in zip(grid.shape, (height, width), strict=True))
    return np.asarray(down @ grid @ across.T)


def _weights(patches: int, pixels: int) -> Floats:
    """How much each pixel takes of each patch, (pixels, patches)."""
    centres = np.clip((np.arange(pixels) + 0.5) * patches / pixels - 0.5, 0, patches - 1)
    return np.maximum(0.0, 1.0 - np.abs(centres[:, None] - np.arange(patches)))


def overlay(pixels: Pixels, grid: Floats) -> Image.Image:
    """Lay a map over the picture as the model was given it: red above 0, blue below.

    Args:
        pixels: The prepared picture, (3, height, width) uint8.
        grid: The map, (rows, columns).
    """
    picture = pixels.transpose(1, 2, 0) / 255.0
    values = upsampled(grid, *picture.shape[:2])
    largest = np.abs(values).max()
    return Image.fromarray(_coloured(values / largest if largest > 0 else np.zeros_like(values), picture))


def map_colours(values: Floats) -> Floats:
    """Return the colours that values of a map have over white, for a colour bar.

    Args:
        values: Values relative to the largest, from -1 to 1, (n,).

    Returns:
        (n, 3), from 0 to 1.
    """
    return _coloured(values, np.ones((len(values), 3))) / 255.0


def _coloured(values: Floats, ground: Floats) -> Pixels:
    """Lay colours of relative values (...) over others (..., 3)."""
    share = (_STRONGEST * np.abs(values))[..., None]
    colour = np.where(values[..., None] > 0, *map(np.array, _COLOURS))
    return np.asarray(np.rint(255 * (ground * (1 - share) + colour * share))).astype(np.uint8)
