"""Pictures that visitors bring: read in memory by the decoder of data sets, upright, kept as the model sees them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.datasets.decoded_pictures import decoded_picture
from alignbench.interpret.searching.asked import PreparedPicture

if TYPE_CHECKING:
    from alignbench.models.towers import Tower

MOST_BYTES: Final = 20_000_000
MOST_PIXELS: Final = 40_000_000
_TURNED: Final = "It was turned upright, as its EXIF orientation says."
_FIRST: Final = "Its file has several pictures, of which this is the first."


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture that a visitor has brought.

    Attributes:
        prepared: The picture as the model sees it.
        height: Height of the picture itself, upright, in pixels.
        width: Width of it.
        notes: What was done to it that a visitor may not expect.
    """

    prepared: PreparedPicture
    height: int
    width: int
    notes: tuple[str, ...] = ()

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """What the model sees, (3, height, width)."""
        return self.prepared.pixels


def read_upload(content: bytes, name: str, tower: Tower) -> Upload:
    """Read a picture, and turn it upright as its EXIF orientation says.

    Args:
        content: The file.
        name: What it is called.
        tower: The model, which prepares it.

    Raises:
        DataError: If it is no picture, damaged, or of more than `MOST_PIXELS`.
    """
    found = decoded_picture(BytesIO(content), name, MOST_PIXELS)
    image, identity = found.image, hashlib.sha256(content).hexdigest()
    prepared = PreparedPicture(name, identity, tower.prepare(image).numpy())
    said = ((_TURNED, found.is_turned), (_FIRST, found.is_first))
    return Upload(prepared, image.height, image.width, tuple(note for note, is_so in said if is_so))
