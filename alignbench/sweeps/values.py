"""Values of options and parameters: which options a command has, and what no option of any command can be given.

A text can be written in UTF-8, has no control characters, is not empty unless it may be, and has no part that is too
long for a file's name; a whole number has 64 bits, and any other number is finite.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from alignbench.errors import UsageError, shortened

Value = str | int | float | bool
_LARGEST: Final = 2**63 - 1
_LONGEST_NAME, _LONGEST = 255, 4095  # bytes of a file's name, and of a path
_BREAKS: Final = ("Cc", "Zl", "Zp")  # control characters, and what ends a line or a paragraph


@dataclass(frozen=True)
class Option:
    """An option of the command that cells are run with.

    Attributes:
        name: Name without the leading hyphens, e.g. `batch-size`.
        takes: What it takes: a `flag` takes no value, a `number` is an integer.
        may_be_empty: Whether an empty text is a value of it.
    """

    name: str
    takes: Literal["flag", "number", "text"]
    may_be_empty: bool = False


def check_value(name: str, value: Value, may_be_empty: bool = False) -> None:
    """Refuse a value that no option of any command can use.

    Args:
        name: What the option is called.
        value: A text or a number.
        may_be_empty: Whether an empty text is a value of it.

    Raises:
        UsageError: If it is one.
    """
    if isinstance(value, str):
        _check_text(name, value, may_be_empty)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(f"{name} {value} is no finite number: give one")
    elif abs(value) > _LARGEST:
        raise UsageError(f"{name} {shortened(value, 30)} is out of range: it must be below 2^63")


def _check_text(name: str, text: str, may_be_empty: bool) -> None:
    if not text.strip() and not may_be_empty:
        raise UsageError(f"{name} is empty: give it a value, or leave it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # bytes of the command line that are none of UTF-8, or half of a pair in YAML
        raise UsageError(
            f"{name} '{shortened(text)}' is no text in UTF-8: rename what it names, or correct it"
        ) from error
    if any(unicodedata.category(each) in _BREAKS for each in text):
        raise UsageError(f"{name} '{shortened(text)}' holds a line break or another control character: take it out")
    longest = max(re.split("[/,]", text), key=_size)  # of a path, or of several names
    if _size(longest) > _LONGEST_NAME or _size(text) > _LONGEST:
        raise UsageError(
            f"{name} is longer than a file's name or path can be: leave it below {_LONGEST_NAME} bytes between "
            f"slashes, and {_LONGEST:,} in all (it begins with '{shortened(longest, 40)}')"
        )


def _size(text: str) -> int:
    """How many bytes a file system would take for it."""
    return len(text.encode())
