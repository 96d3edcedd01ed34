"""Pictures turned upright: a camera that is held on its side stores the picture so, and says in EXIF how to turn it."""

from __future__ import annotations

from typing import Final

from PIL import ExifTags, Image

from alignbench.files import UNREADABLE

_TURNS: Final = {  # by the orientation, of which 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned_upright(rgb: Image.Image, decoded: Image.Image) -> Image.Image:
    """Turn a picture as the EXIF orientation of its file says.

    Args:
        rgb: The picture.
        decoded: What the file was opened as, after it was decoded: Pillow turns TIFF files itself, and forgets why.

    Returns:
        The picture upright; the same if its EXIF data ask for no turn, or cannot be read.
    """
    try:
        orientation = decoded.getexif().get(ExifTags.Base.Orientation)
    except UNREADABLE:
        return rgb
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return rgb if turn is None else rgb.transpose(turn)
