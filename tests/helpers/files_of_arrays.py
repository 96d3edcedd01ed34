"""Files of arrays that are damaged, or that would run code when they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Trap:
    """Unpickled, it would make a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.place),)


def damaged(content: bytes) -> Iterator[bytes]:
    """A file with one of its first or last bytes changed, and cut short."""
    for place in {*range(min(160, len(content))), *range(max(0, len(content) - 400), len(content))}:
        for change in (0x01, 0x20, 0xFF):
            yield content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
    for length in range(0, len(content), 29):
        yield content[:length]
