"""How heads are named: layer from 1 and head from 0, such as 5.3, and several of them with commas between."""

from __future__ import annotations

from collections.abc import Iterable

from alignbench.errors import UsageError

Head = tuple[int, int]  # layer from 1, head from 0


def read_heads(text: str, option: str = "--group") -> tuple[Head, ...]:
    """Read names of heads, such as `5.3,6.0`; one that is there twice counts once.

    Args:
        text: The names.
        option: The option by which they are given, for messages.

    Raises:
        UsageError: If they are none.
    """
    heads: dict[Head, None] = {}
    for word in filter(None, map(str.strip, text.split(","))):
        layer, dot, head = word.partition(".")
        if not (dot and layer.isascii() and head.isascii() and layer.isdecimal() and head.isdecimal()):
            raise UsageError(f"{option} {text} names no heads: write layer and head of each, as in 5.3,6.0")
        heads[int(layer), int(head)] = None
    if not heads:
        raise UsageError(f"{option} is empty: write layer and head of each, as in 5.3,6.0")
    return tuple(heads)


def heads_named(heads: Iterable[Head]) -> str:
    """Name heads as `read_heads` reads them."""
    return ",".join(f"{layer}.{head}" for layer, head in heads)
