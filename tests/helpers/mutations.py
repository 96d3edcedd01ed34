"""Ways in which a file comes to differ from a sound one: bytes, numbers, lines, members and headers that are odd.

An edit is a kind, a place (a share of what could be edited) and a value; the same edits of the same file give the same.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

_TOKENS: Final = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\t", b",", b'"', b"'", b"{", b"[", b"}", b"]", b":", b"&a "),
    *(
        b"-1",
        b"0",
        b"nan",
        b"NaN",
        b"Infinity",
        b"1e400",
        b"1e-400",
        b"99999999999999999999999",
        b"9223372036854775807",
    ),
    *(b"../", b"/etc/", b"\xed\xa0\x80", "\u0661".encode(), "\u2028".encode(), b"null", b"true", b"\x1b[31m", b"%s"),
)
_NUMBERS: Final = (
    *(b"-1", b"0", b"1", b"2147483648", b"9223372036854775808", b"1" + b"0" * 400, b"1e999", b"nan", b"-0", b"0.5"),
    *(b"inf", b"", b"1_0", b"0x10", b"01"),
)
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, -1, 0, 1, 0.5, 2**63, 10**30, float("nan"), float("inf"), "", "x", "\ud800", "a\nb"),
    *("../x", [], [[]], {}, {"": None}, [1, "a"], "9" * 300),
)


class Edit(NamedTuple):
    """One edit.

    Attributes:
        kind: Its kind, one of `KINDS`.
        place: Where, as a share of what could be edited, below 1.
        value: Chooses what is put there.
    """

    kind: str
    place: float
    value: int


def mutate(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The content after some edits; one that does not apply changes nothing."""
    for edit in edits:
        with suppress(Exception):
            content = KINDS[edit.kind](content, edit)
    return content


def _spot(size: int, place: float) -> int:
    return min(int(place * size), max(size - 1, 0))


def _flip(content: bytes, edit: Edit) -> bytes:
    at = _spot(len(content), edit.place)
    return content[:at] + bytes([content[at] ^ (1 << edit.value % 8)]) + content[at + 1 :]


def _set(content: bytes, edit: Edit) -> bytes:
    at = _spot(len(content), edit.place)
    return content[:at] + bytes([edit.value % 256]) + content[at + 1 :]


def _insert(content: bytes, edit: Edit) -> bytes:
    at = _spot(len(content) + 1, edit.place)
    return content[:at] + _TOKENS[edit.value % len(_TOKENS)] * (1 + edit.value // 64 % 3) + content[at:]


def _delete(content: bytes, edit: Edit) -> bytes:
    at = _spot(len(content), edit.place)
    return content[:at] + content[at + 1 + edit.value % 40 :]


def _cut(content: bytes, edit: Edit) -> bytes:
    return content[: _spot(len(content), edit.place)]


def _repeat(content: bytes, edit: Edit) -> bytes:
    at = _spot(len(content), edit.place)
    piece = content[at : at + 1 + edit.value % 200]
    return content[:at] + piece + content[at:]


def _zeros(content: bytes, edit: Edit) -> bytes:
    at = _spot(len(content), edit.place)
    length = len(content[at : at + 1 + edit.value % 64])
    return content[:at] + bytes(length) + content[at + length :]


def _number(content: bytes, edit: Edit) -> bytes:
    found = list(re.finditer(rb"-?[0-9]+(?:\.[0-9]+)?", content))
    number = found[_spot(len(found), edit.place)]
    return content[: number.start()] + _NUMBERS[edit.value % len(_NUMBERS)] + content[number.end() :]


def _line(content: bytes, edit: Edit) -> bytes:
    lines = content.splitlines(keepends=True)
    at = _spot(len(lines), edit.place)
    kept = ((), (lines[at], lines[at]), (lines[0],), (lines[at][::-1],), (lines[at].upper(),), (b"\n",))
    lines[at : at + 1] = kept[edit.value % len(kept)]
    return b"".join(lines)


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in JSON with each of its keys or places."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _slots(value[key])


def _json(content: bytes, edit: Edit) -> bytes:
    value = json.loads(content)
    slots = list(_slots(value))
    holder, key = slots[_spot(len(slots), edit.place)]
    choice = edit.value % (len(_VALUES) + 3)
    if choice < len(_VALUES):
        holder[key] = _VALUES[choice]
    elif choice == len(_VALUES):
        del holder[key]
    elif choice == len(_VALUES) + 1:
        holder[key] = [holder[key]]
    else:
        holder[key] = str(holder[key])
    return json.dumps(value).encode()


def _header(content: bytes, edit: Edit) -> bytes:
    """Edits the JSON header of a file of safetensors, and its length with it."""
    length = int.from_bytes(content[:8], "little")
    header = _json(content[8 : 8 + length], edit)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _member(content: bytes, edit: Edit) -> bytes:
    """Edits a member of a ZIP archive, whose checksum is right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    chosen = list(members)[_spot(len(members), edit.place * 7 % 1)]
    inner = _BYTES[edit.value % len(_BYTES)]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for info, data in members.items():
            archive.writestr(info, inner(data, edit) if info is chosen and data else data)
    return made.getvalue()


_BYTES: Final = (_flip, _set, _insert, _delete, _cut, _repeat, _zeros, _number)
KINDS: Final[dict[str, Callable[[bytes, Edit], bytes]]] = {
    **{each.__name__.strip("_"): each for each in (*_BYTES, _line, _json, _header, _member)}
}
