"""JSON that someone else may have written: its depth, keys, texts and types are seen to where it is read."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

from alignbench.errors import shortened
from alignbench.files.whole_files import open_plain

Kinds = tuple[type, ...]

_DEEPEST: Final = 100  # levels: what we write has six at most
_LARGEST: Final = 2**63
_SPOKEN: Final[Mapping[type, str]] = {
    **{str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list of texts"},
    **{dict: "an object", NoneType: "null"},
}


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: If it is none, nested deeper than any of ours, holds text that is no Unicode, or an object has a key
            twice: readers differ in which of them they take, and so nobody could say what was measured.
    """
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        for each in level:
            if isinstance(each, str):
                each.encode()  # half of a pair of surrogates could not be written anywhere
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return found
    raise ValueError("it is nested too deeply")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, each of which has a key of its own."""
    found = dict(members)
    if len(found) < len(members):
        ((twice, _),) = Counter(key for key, _ in members).most_common(1)
        raise ValueError(f"it has the key {shortened(repr(twice))} twice: leave one out")
    return found


def read_json(path: Path) -> Any:
    """Parse a file of JSON; see `parse_json`.

    Raises:
        OSError: If it cannot be opened, or is no file; see `open_plain`.
        ValueError: If it is not JSON.
    """
    with open_plain(path) as file:
        return parse_json(file.read().decode("utf-8"))


def _inside(value: Any) -> list[Any]:
    """What an object or a list holds, an object's keys too."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def checked(name: str, value: Any, kinds: Kinds) -> Any:
    """Return a value of one of some types.

    Args:
        name: What the value is called.
        value: As it stands in JSON.
        kinds: The types: of a list, all members are texts; a number is finite, and no true or false.

    Raises:
        ValueError: If it is of none of them.
    """
    # true and false are whole numbers to Python, but not in JSON
    fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not fits or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
        raise ValueError(f"its {shortened(name)} is not {' or '.join(_SPOKEN[kind] for kind in kinds)}")
    if isinstance(value, int | float) and not abs(value) < _LARGEST:  # nor is NaN
        raise ValueError(f"its {shortened(name)} is out of range")
    return value


def checked_object(name: str, value: Any, kinds: Mapping[str, Kinds]) -> dict[str, Any]:
    """Return an object, of whose members those that are named and there are of their types; others may be anything.

    Raises:
        ValueError: If it is no object, or one of them is of another type.
    """
    found: dict[str, Any] = checked(name, value, (dict,))
    for key, some in kinds.items():
        if key in found:
            checked(f"{name}.{key}", found[key], some)
    return found


def plain(value: Any) -> Any:
    """Put a value into the types that JSON has.

    Args:
        value: A table, a record, or mappings and lists of texts, numbers, places. NumPy's numbers become plain ones;
            what is no number (NaN, infinities, missing values) becomes null.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if hasattr(value, "to_dict"):  # a table of pandas
        return plain(value.to_dict("records"))
    if hasattr(value, "tolist"):  # a number or an array of NumPy
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else _spelt(value)


def _spelt(value: Any) -> str | None:
    """A place or a date as a text; what pandas calls missing is null."""
    return None if str(value) in ("<NA>", "NaT") else str(value)
