"""Values of configurations: each of its type and within bounds, before anything is built of it.

A text that says false is true to Python, and a tower of a million layers takes all memory before anyone sees that no
checkpoint has it. The bounds lie above every published tower: ViT-22B has 48 blocks of 6144 channels, 24576 within.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alignbench.errors import ModelError, shortened

MOST_PIXELS: Final = 8192  # of a side: a batch of 64 such pictures takes 12 GiB as bytes


@dataclass(frozen=True)
class Allowed:
    """Values that a setting may have.

    Attributes:
        spoken: What they are, for messages.
        fits: Says whether a value, as it stands in JSON, is one of them.
    """

    spoken: str
    fits: Callable[[Any], bool]


def whole(most: int, least: int = 1) -> Allowed:
    """Whole numbers from `least` to `most`; true and false are none."""
    return Allowed(
        f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most
    )


def number(most: float, least: float = 0.0) -> Allowed:
    """Finite numbers from `least` to `most`; true and false are none."""
    return Allowed(
        f"a number from {least:g} to {most:g}", lambda value: type(value) in (int, float) and least <= value <= most
    )


def positive(most: float) -> Allowed:
    """Numbers above 0, up to `most`."""
    return Allowed(f"a number above 0, up to {most:g}", lambda value: type(value) in (int, float) and 0 < value <= most)


def one_of(*texts: str) -> Allowed:
    """Some texts."""
    return Allowed(f"one of {', '.join(texts)}", lambda value: isinstance(value, str) and value in texts)


def listed(kind: Allowed, count: int) -> Allowed:
    """Lists of `count` values of a kind."""
    return Allowed(
        f"a list of {count} values, each {kind.spoken}",
        lambda value: isinstance(value, list) and len(value) == count and all(map(kind.fits, value)),
    )


def mapped(kind: Allowed) -> Allowed:
    """Objects whose members are of a kind, or null."""
    return Allowed(
        f"an object of values, each {kind.spoken}",
        lambda value: isinstance(value, dict) and all(each is None or kind.fits(each) for each in value.values()),
    )


def either(*kinds: Allowed) -> Allowed:
    """Values of any of some kinds."""
    return Allowed(" or ".join(kind.spoken for kind in kinds), lambda value: any(kind.fits(value) for kind in kinds))


TRUTH: Final = Allowed("true or false", lambda value: isinstance(value, bool))
TEXT: Final = Allowed("a text", lambda value: isinstance(value, str))
NULL: Final = Allowed("null", lambda value: value is None)
OBJECT: Final = Allowed("an object", lambda value: isinstance(value, dict))
EMPTY: Final = Allowed("empty, which is the only way to use it here", lambda value: not value)
SIDE: Final = whole(MOST_PIXELS)
WIDTH: Final = whole(2**15)  # channels of a token, and the width of a projection
INNER_WIDTH: Final = whole(2**17)
BLOCKS: Final = whole(128)


def check_settings(what: str, settings: Mapping[str, Any], kinds: Mapping[str, Allowed]) -> None:
    """Refuse settings that are not of their kind; others than those named may be anything.

    Args:
        what: The file and the part of it, for messages.
        settings: The settings as they stand in JSON.
        kinds: What each may be.

    Raises:
        ModelError: If one of them is something else.
    """
    for key, kind in kinds.items():
        if key in settings and not kind.fits(settings[key]):
            found = shortened(json.dumps(settings[key]))
            raise ModelError(
                f"{what} cannot be followed (its {key} is {found}, and not {kind.spoken}): correct it, or download it "
                "again"
            )
