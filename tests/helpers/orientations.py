"""The eight EXIF orientations: pictures as a camera on its side stores them, and how NumPy turns them upright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Turn = Callable[[NDArray[Any]], NDArray[Any]]

UPRIGHT: dict[int, Turn] = {  # EXIF 2.3, 4.6.4: where row 0 and column 0 of what is stored lie in what is seen
    1: lambda stored: stored,  # top, left
    2: lambda stored: stored[:, ::-1],  # top, right
    3: lambda stored: stored[::-1, ::-1],  # bottom, right
    4: lambda stored: stored[::-1],  # bottom, left
    5: lambda stored: np.swapaxes(stored, 0, 1),  # left, top
    6: lambda stored: np.rot90(stored, -1),  # right, top
    7: lambda stored: np.swapaxes(stored[::-1, ::-1], 0, 1),  # right, bottom
    8: lambda stored: np.rot90(stored),  # left, bottom
}


def write_turned(path: Path, picture: Image.Image, orientation: int) -> Path:
    """Write a picture whose EXIF data ask for a turn."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture.save(path, exif=exif)
    return path
