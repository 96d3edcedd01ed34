"""The tags of a MATLAB 5 file, looked at before SciPy reads it: it trusts them, and a wrong one can end the process.

A file is a header and then elements: a tag (type and number of bytes) and data. An array is an element that holds
others: flags, dimensions, a name, and what its class asks for.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from typing import Final

_HEADER: Final = 128
_MATRIX, _COMPRESSED = 14, 15
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}  # bytes a value
_TEXT: Final = (16, 17, 18)
_CELL, _STRUCTURE, _OBJECT, _CHARACTERS, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_NUMBERS: Final = range(6, 16)
_COMPLEX = 0x800
_DEEPEST = 50  # arrays in arrays
_MOST = 1 << 30  # bytes of what is compressed
_DIMENSIONS = 32


def check_matlab(content: bytes) -> None:
    """See that the elements of a MATLAB 5 file lie within it and are of known types; MATLAB 4 is let pass.

    Args:
        content: The bytes of the file.

    Raises:
        ValueError: If they are not; says where.
    """
    if 0 in content[:4]:  # MATLAB 4, of which SciPy reads what its numbers say and no more
        return
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("its header is damaged")
    place, left = _HEADER, _MOST
    while place < len(content):
        kind, data, place = _Elements(content, order, place).element(padded=False)
        if kind == _COMPRESSED:
            data = _inflated(data, left)
            left -= len(data)
            kind, data, _ = _Elements(data, order, 0).element()
        if kind != _MATRIX:
            raise ValueError(f"an element before byte {place:,} is of type {kind}")
        _check_array(data, order, _DEEPEST)


def _inflated(data: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    content = stream.decompress(data, most + 1)
    if len(content) > most:
        raise ValueError(f"it holds more than {_MOST:,} bytes that are compressed")
    if not stream.eof:
        raise ValueError("a compressed element is cut off")
    return content


class _Elements:
    """Elements one after another."""

    def __init__(self, content: bytes, order: str, place: int = 0) -> None:
        self._content, self._order, self._place = content, order, place

    def element(self, *, padded: bool = True) -> tuple[int, bytes, int]:
        """Read an element: its type, its data, and where the next one begins."""
        content, place = self._content, self._place
        if len(content) - place < 8:
            raise ValueError(f"an element at byte {place:,} is cut off")
        kind, size = struct.unpack_from(f"{self._order}II", content, place)
        if kind >> 16:  # the short form: type, size and up to four bytes of data in eight
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if size > 4:
                raise ValueError(f"a short element at byte {place:,} has {size:,} bytes")
        else:
            start = place + 8
            end = start + size + (-size % 8 if padded and kind != _COMPRESSED else 0)
        if start + size > len(content):
            raise ValueError(f"an element at byte {place:,} is cut off")
        self._place = min(end, len(content))
        return kind, content[start : start + size], self._place

    def values(self, kinds: tuple[int, ...], size: int | None = None) -> bytes:
        """Read an element of values of some types, and of a size in bytes if that is settled."""
        kind, data, place = self.element()
        if kind not in kinds or len(data) % _SIZES[kind] or size not in (None, len(data)):
            raise ValueError(f"an element before byte {place:,} has type {kind} and {len(data):,} bytes")
        return data

    def whole_numbers(self) -> tuple[int, ...]:
        """Read an element of whole numbers of four bytes."""
        data = self.values((5, 6))
        return struct.unpack(f"{self._order}{len(data) // 4}i", data)

    def room(self) -> int:
        """How many bytes are left."""
        return len(self._content) - self._place


_ANY_NUMBERS: Final = tuple(kind for kind in _SIZES if kind not in _TEXT)
_NAMES: Final = (1, 2, 16)


def _check_array(data: bytes, order: str, deepest: int) -> None:
    """Look at an array, and at those that it holds."""
    if not data:  # an empty array in a cell
        return
    if not deepest:
        raise ValueError(f"arrays lie in arrays more than {_DEEPEST} deep")
    parts = _Elements(data, order)
    flags = struct.unpack(f"{order}I", parts.values((6,), 8)[:4])[0]
    kind = flags & 0xFF
    if kind == _OPAQUE:
        for _ in range(3):
            parts.values(_NAMES)
        _check_arrays(parts, order, 1, deepest)
        return
    shape = struct.iter_unpack(f"{order}i", parts.values((5, 6)))
    dimensions = [size for (size,) in shape]
    if not 2 <= len(dimensions) <= _DIMENSIONS or min(dimensions) < 0:
        raise ValueError(f"an array has the dimensions {dimensions[:_DIMENSIONS]}")
    parts.values(_NAMES)
    if kind == _FUNCTION:
        _check_arrays(parts, order, 1, deepest)
    elif kind in (_CELL, _STRUCTURE, _OBJECT):
        _check_holder(parts, order, (kind, math.prod(dimensions)), deepest)
    else:
        _check_values(parts, flags, dimensions)


def _check_holder(parts: _Elements, order: str, held: tuple[int, int], deepest: int) -> None:
    kind, count = held
    if kind == _OBJECT:
        parts.values(_NAMES)
    if kind != _CELL:
        (length,) = struct.unpack(f"{order}i", parts.values((5,), 4))
        names = parts.values(_NAMES)
        if length <= 0 or len(names) % length:
            raise ValueError("the names of a structure's fields are damaged")
        count = count * (len(names) // length)
    _check_arrays(parts, order, count, deepest)


def _check_arrays(parts: _Elements, order: str, count: int, deepest: int) -> None:
    if 8 * count > parts.room():
        raise ValueError(f"{count:,} arrays do not fit into {parts.room():,} bytes")
    for _ in range(count):
        kind, data, place = parts.element()
        if kind != _MATRIX:
            raise ValueError(f"an element before byte {place:,} is of type {kind}")
        _check_array(data, order, deepest - 1)


def _check_values(parts: _Elements, flags: int, dimensions: list[int]) -> None:
    kind = flags & 0xFF
    if kind not in (_CHARACTERS, _SPARSE, *_NUMBERS):
        raise ValueError(f"an array is of class {kind}")
    if kind == _SPARSE:
        _check_places(parts, dimensions)
    for _ in range(2 if flags & _COMPLEX else 1):
        given, data, _ = parts.element()
        known = _SIZES if kind == _CHARACTERS else _ANY_NUMBERS
        # MATLAB calls the bytes of a sparse logical array 8-byte numbers
        if given not in known or (kind != _SPARSE and len(data) % _SIZES[given]):
            raise ValueError(f"the values of an array have type {given} and {len(data):,} bytes")


def _check_places(parts: _Elements, dimensions: list[int]) -> None:
    """Look at where the values of a sparse array stand: SciPy writes to these places without asking."""
    rows, columns = parts.whole_numbers(), parts.whole_numbers()
    if len(dimensions) != 2 or len(columns) != dimensions[1] + 1:
        raise ValueError("a sparse array is damaged")
    steps = [last - first for first, last in itertools.pairwise(columns)]
    used = rows[: columns[-1]]  # there may be room for more
    if columns[0] or min(steps, default=0) < 0 or columns[-1] > len(rows):
        raise ValueError("the columns of a sparse array are damaged")
    if used and not 0 <= min(used) <= max(used) < dimensions[0]:
        raise ValueError("a sparse array has values outside it")
