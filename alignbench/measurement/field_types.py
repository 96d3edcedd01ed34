"""What a field of a cell may hold: from Python, anything can be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from alignbench.errors import UsageError, shortened
from alignbench.measurement.cell import Cell

_SAID: Final = {
    str: "a text",
    int: "a whole number",
    bool: "True or False",
    Path: "a path",
    tuple: "a text or a list of texts",
    Mapping: 'a dictionary such as {"step": 1000}',
    type(None): "None",
}


def check_fields(cell: Cell) -> None:
    """Refuse what cannot be the value of a field.

    Args:
        cell: A cell as it was given.

    Raises:
        UsageError: If a field holds what it cannot; names the field.
    """
    kinds = get_type_hints(Cell)
    for field in fields(Cell):
        value, allowed = getattr(cell, field.name), _allowed(kinds[field.name])
        if not any(_is_a(value, kind) for kind in allowed):
            said = " or ".join(_SAID[kind] for kind in allowed)
            raise UsageError(f"`{field.name}` cannot be {shortened(repr(value))}: give {said}")


def _allowed(hint: Any) -> list[type]:
    """The types of a hint: those of a union each, that of a literal, and of a tuple or mapping the container."""
    kind = get_origin(hint)
    if kind is None or kind in (tuple, Mapping):
        return [kind or hint]
    if kind is Literal:
        return [type(value) for value in get_args(hint)]
    return list(dict.fromkeys(each for part in get_args(hint) for each in _allowed(part)))


def _is_a(value: object, kind: type) -> bool:
    """Whether a value is of a type; a truth is no number, and a tuple is one of texts."""
    if kind is int and isinstance(value, bool):
        return False
    texts = not isinstance(value, tuple) or all(isinstance(each, str) for each in value)
    return isinstance(value, kind) and texts
