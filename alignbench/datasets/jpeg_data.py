"""Whether the data of a JPEG file end early, which its decoder does not say: it paints the rest grey.

The decoder reads no more of the data of a scan than its picture takes. So bytes that are put behind these data change
nothing in a whole file, and show in one whose data end early.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from PIL import Image

FORMATS: Final = frozenset(("JPEG", "MPO"))  # as Pillow calls them; of the pictures of an MPO the first is read

_BEHIND = bytes(37 * n % 251 for n in range(1, 97))  # anything without 0xff
_MARKER = re.compile(rb"\xff([^\x00\xff])")  # in coded data a byte 0xff is followed by a zero
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_RESTARTS, _END, _SCAN, _INTERVAL = range(0xD0, 0xD8), 0xD9, 0xDA, 0xDD
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_SMALL = 256 * 256  # pixels of a picture of which one block is a large part
_MID_GREY = range(125, 132)  # of a block that is not there


def ends_early(content: bytes, decoded: Image.Image) -> bool:
    """Say whether a JPEG file lacks data of its picture.

    Args:
        content: The bytes of the file.
        decoded: The picture as Pillow decodes it.
    """
    layout = _JpegParts()
    padded = b"".join(layout.padded(content))
    if layout.lacks_scans() or layout.restarts < layout.restarts_due:
        return True
    if layout.is_simple() and decoded.mode in ("L", "RGB") and decoded.width * decoded.height > _SMALL:
        corner = decoded.crop((decoded.width - 1, decoded.height - 1, decoded.width, decoded.height))
        if corner.convert("L").getpixel((0, 0)) not in _MID_GREY:
            return False  # the last block is there, or begun, and so are all before it
    with Image.open(BytesIO(padded), formats=("JPEG",)) as again:
        return again.tobytes() != decoded.tobytes()


@dataclass
class _JpegParts:
    """How the data of a file are laid out, as far as it has been walked through."""

    frame: int = 0
    scans: int = 0
    interval: int = 0  # blocks between two restarts
    restarts: int = 0
    restarts_due: int = 0
    size: tuple[int, int] = (0, 0)  # height and width
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)  # of each component, down and across
    bits_left: dict[int, list[int]] = field(default_factory=dict)  # of each component, for each of its 64 coefficients

    def padded(self, content: bytes) -> Iterator[bytes]:
        """Walk through a file, and give its parts with further bytes behind all coded data."""
        start, coded = 0, False
        while (found := _MARKER.search(content, start)) is not None:
            marker, end = found[1][0], found.end()
            yield content[start : found.start()].rstrip(b"\xff") + (_BEHIND if coded else b"")
            coded = marker == _SCAN or marker in _RESTARTS
            if marker not in (*_WITHOUT_LENGTH, _END):
                end += int.from_bytes(content[end : end + 2], "big")
                self._note(marker, content[found.end() + 2 : end])
            self.restarts += marker in _RESTARTS
            yield content[found.start() : end]
            if marker == _END:
                return
            start = end
        yield content[start:]

    def _note(self, marker: int, body: bytes) -> None:
        if marker in (*_SEQUENTIAL, _PROGRESSIVE):
            self.frame = marker
            self.size = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            self.sampling = {body[at]: (body[at + 1] & 15, body[at + 1] >> 4) for at in range(6, len(body) - 2, 3)}
            self.bits_left = {component: [-1] * 64 for component in self.sampling}
        elif marker == _INTERVAL:
            self.interval = int.from_bytes(body, "big")
        elif marker == _SCAN and len(body) > 3:
            self.scans += 1
            first, last, precision = body[-3:]
            components = body[1 : 1 + 2 * body[0] : 2]
            self.restarts_due += self._restarts_of(components)
            for component in components:
                left = self.bits_left.get(component, [])
                left[first : last + 1] = [precision & 15] * len(left[first : last + 1])

    def _restarts_of(self, components: bytes) -> int:
        """How many restarts the scan of some components has: one after each interval of blocks but the last."""
        if not self.interval or not self.sampling or not set(components) <= set(self.sampling):
            return 0
        blocks = 1
        for axis, length in enumerate(self.size):
            most = max(factors[axis] for factors in self.sampling.values())
            if len(components) == 1:  # blocks of the component's own, else groups of blocks of all components
                length, most = -(-length * self.sampling[components[0]][axis] // most), 1
            blocks *= -(-length // (8 * most))
        return -(-blocks // self.interval) - 1

    def lacks_scans(self) -> bool:
        """Whether a progressive file ends before all coefficients are there with all their bits."""
        return self.frame == _PROGRESSIVE and any(any(left) for left in self.bits_left.values())

    def is_simple(self) -> bool:
        """Whether one scan holds all blocks in their order, without restarts."""
        return self.frame in _SEQUENTIAL and self.scans == 1 and not self.restarts
