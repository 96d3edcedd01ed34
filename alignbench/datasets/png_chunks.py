"""PNG files of so many chunks that they would keep the decoder busy for minutes."""

from __future__ import annotations

import os
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MANY = 10_000
_SMALL = 1_024  # bytes of a chunk, on average


def check_chunks(file: BinaryIO, *, before_pixels: bool = False) -> None:
    """See that a PNG file does not consist of a great many small chunks; any other file is let pass.

    Args:
        file: The file; it stands at its start afterwards.
        before_pixels: Whether to look no further than the first chunk of pixels.

    Raises:
        ValueError: If it has more than 10,000 chunks of less than 1 KiB on average.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    chunks = 0
    if file.read(8) == _SIGNATURE:
        while len(head := file.read(8)) == 8 and not (before_pixels and head[4:] == b"IDAT"):
            chunks += 1
            if chunks > _MANY and chunks * _SMALL > size:
                raise ValueError(f"it has more than {_MANY:,} small chunks")
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    file.seek(0)
