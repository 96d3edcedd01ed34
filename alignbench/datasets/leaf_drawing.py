"""How the leaves of the packaged tree are drawn: small RGB pictures, in whole numbers alone.

A picture is sampled at 2 x 2 points a pixel, and every step is arithmetic on integers, so that its pixels are the same
on every processor. Lengths are in 1/64 pixel; outlines are in 1/256 of the radius.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices

SIDE: Final = 32
PIXEL: Final = 64
"""Lengths in one pixel."""

_Within = Callable[[Indices, Indices], NDArray[np.bool_]]
_SAMPLES: Final = 2  # points a pixel and axis
_MARK: Final = (160, 70)  # where the mark of a leaf is on both axes, and its radius
_MARKED: Final = 15  # its grey
_STRIPE: Final = 2  # pixels
_DARKER: Final = 24  # how much darker every second stripe is, in 1/256


@dataclass(frozen=True)
class Figure:
    """What is in a picture.

    Attributes:
        outline: Name of the outline, one of `OUTLINES`.
        stripes: Direction of the faint stripes on it: 0 across, 1 down, 2 and 3 the two diagonals.
        ink: Its colour, RGB from 0 to 255.
        mark: In which corner of it its dark mark is: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
        paper: Colour of the background, RGB from 0 to 255.
        radius: Half its size, in 1/64 pixel.
        centre: Where it stands, (x, y) in 1/64 pixel.
    """

    outline: str
    stripes: int
    ink: tuple[int, int, int]
    mark: int
    paper: tuple[int, int, int]
    radius: int
    centre: tuple[int, int]


def draw(figure: Figure) -> NDArray[np.uint8]:
    """Draw a figure.

    Returns:
        RGB pixels, (32, 32, 3).
    """
    step = PIXEL // _SAMPLES
    at = np.arange(SIDE * _SAMPLES, dtype=np.int64) * step + step // 2
    right, down = ((at - centre) * 256 // figure.radius for centre in figure.centre)
    u, v = right[None, :], down[:, None]
    column, row = at[None, :] // PIXEL, at[:, None] // PIXEL
    along = (row, column, column + row, column - row)[figure.stripes]
    ink, paper = np.array(figure.ink, dtype=np.int64), np.array(figure.paper, dtype=np.int64)
    is_dark = np.broadcast_to(along // _STRIPE % 2 == 1, (len(at), len(at)))
    painted = np.where(is_dark[..., None], ink * (256 - _DARKER) // 256, ink)
    canvas = np.where(OUTLINES[figure.outline](u, v)[..., None], painted, paper)
    reach, radius = _MARK
    is_mark = (u - (figure.mark % 2 * 2 - 1) * reach) ** 2 + (v - (figure.mark // 2 * 2 - 1) * reach) ** 2 <= radius**2
    canvas = np.where(is_mark[..., None], _MARKED, canvas)
    blocks = canvas.reshape(SIDE, _SAMPLES, SIDE, _SAMPLES, 3)
    return np.asarray(blocks.sum(axis=(1, 3)) // _SAMPLES**2, dtype=np.uint8)


def _square(u: Indices, v: Indices) -> Indices:
    """The larger distance from the centre along an axis."""
    return np.maximum(abs(u), abs(v))


# Each outline says of points (right, down) of the centre whether they are within it; its family is the kind above it.
FAMILIES: Final[dict[str, dict[str, _Within]]] = {
    "round": {
        "disc": lambda u, v: u * u + v * v <= 235**2,
        "ring": lambda u, v: abs(2 * (u * u + v * v) - (250**2 + 140**2)) <= 250**2 - 140**2,
        "oval": lambda u, v: u * u + 3 * v * v <= 256**2,
        "dome": lambda u, v: (u * u + (v - 90) ** 2 <= 256**2) & (v <= 90),
    },
    "boxy": {
        "square": lambda u, v: _square(u, v) <= 205,
        "bar": lambda u, v: (abs(u) <= 256) & (abs(v) <= 100),
        "frame": lambda u, v: abs(_square(u, v) - 170) <= 55,
        "corner": lambda u, v: (_square(u, v) <= 220) & ((u <= -30) | (v >= 30)),
    },
    "pointed": {
        "triangle": lambda u, v: (v <= 190) & (2 * abs(u) <= v + 256),
        "diamond": lambda u, v: abs(u) + abs(v) <= 262,
        "spark": lambda u, v: abs(u) + abs(v) + 2 * np.minimum(abs(u), abs(v)) <= 300,
        "chevron": lambda u, v: (abs(u) <= 235) & (v - abs(u) >= -200) & (v - abs(u) <= 20),
    },
    "branched": {
        "plus": lambda u, v: (np.minimum(abs(u), abs(v)) <= 80) & (_square(u, v) <= 256),
        "saltire": lambda u, v: (abs(abs(u) - abs(v)) <= 100) & (_square(u, v) <= 215),
        "tee": lambda u, v: ((abs(v + 160) <= 70) & (abs(u) <= 240)) | ((abs(u) <= 70) & (abs(v) <= 230)),
        "aitch": lambda u, v: ((abs(abs(u) - 165) <= 70) & (abs(v) <= 235)) | ((abs(v) <= 60) & (abs(u) <= 165)),
    },
}
OUTLINES: Final = {name: within for outlines in FAMILIES.values() for name, within in outlines.items()}
