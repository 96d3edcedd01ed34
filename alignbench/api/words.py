"""Errors and warnings that speak Python: `--data-root` and `--overwrite` are `data_root` and `overwrite=True` here.

Whatever raises writes options as the command line has them. The functions that a script calls say them as their own
arguments, or as fields of `Cell`. What stands in backquotes is a command, and left as it is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import cache, wraps
from typing import Any, Final, ParamSpec, TypeVar

from alignbench.distances.names import DISTANCES
from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import worded
from alignbench.measurement.cell import ACCELERATORS, PRECISIONS, RESIZINGS, TOKEN_VIEWS, Cell

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS: Final = {  # of fields whose options are called otherwise
    "subsets": "subset",
    "distances": "distance",
    "nodes": "num-nodes",
    "compiled": "compile",
    "workers": "loader-workers",
    "factors": "factor",
}
_VALUES: Final = {  # texts that may follow an option as its value; numbers and capitals always may
    "protocol": tuple(PROTOCOLS),
    "precision": PRECISIONS,
    "accelerator": ACCELERATORS,
    "tokens": TOKEN_VIEWS,
    "resize": RESIZINGS,
    "pixel-cache": ("off",),
    "batch-size": ("auto",),
    "distance": ("all", *DISTANCES),
    "at": ("projection", "best", "curve", "all"),
    "over": ("clusters", "objects"),
}
_NUMBER: Final = r"\d[\d.]*\b"
_PLACEHOLDER: Final = r"[A-Z]{2,}\b"
_OPTION: Final = re.compile(r"(`[^`]*`)|(?<![^\s(\[,;:])--([a-z][a-z-]*)(?![\w-])")


@dataclass(frozen=True)
class Argument:
    """What an option of the command line is in Python.

    Attributes:
        name: Name of the argument.
        is_flag: Whether it is true or false.
        is_list: Whether it takes several names, of which the option takes a list with commas.
    """

    name: str
    is_flag: bool = False
    is_list: bool = False


@cache
def measuring_arguments() -> dict[str, Argument]:
    """The fields of `Cell` and arguments of `alignbench.run`, by the options of the command without their hyphens."""
    found = {"output": Argument("output"), "overwrite": Argument("overwrite", is_flag=True)}
    for each in fields(Cell):
        default = each.default if each.default is not MISSING else None
        option = _OPTIONS.get(each.name, each.name.replace("_", "-"))
        found[option] = Argument(each.name, isinstance(default, bool), isinstance(default, tuple))
    return found


def arguments_of(function: Callable[..., Any]) -> dict[str, Argument]:
    """The arguments of a function and how to measure, by option; of one name the function's own goes first."""
    own = {
        each.name.replace("_", "-"): Argument(each.name, isinstance(each.default, bool))
        for each in inspect.signature(function).parameters.values()
    }
    return measuring_arguments() | own


def in_python(text: str, arguments: Mapping[str, Argument]) -> str:
    """Say the options in a text as arguments; those that are none stay, as does what stands in backquotes.

    Args:
        text: A text that is written for the command line.
        arguments: Arguments by option.
    """
    said, done = [], 0
    for found in _OPTION.finditer(text):
        if found.start() < done or found[1] or found[2] not in arguments:
            continue
        argument = arguments[found[2]]
        value = _value_after(text, found.end(), found[2])
        said += [text[done : found.start()], _said(argument, value)]
        done = found.end() + len(value)
    return "".join([*said, text[done:]])


def _value_after(text: str, start: int, option: str) -> str:
    """The value that follows an option, and others after `or`, with the blank in front; empty if none does."""
    words = "|".join(map(re.escape, _VALUES.get(option, ())))
    one = rf"(?:(?:{words})\b|{_NUMBER}|{_PLACEHOLDER})" if words else rf"(?:{_NUMBER}|{_PLACEHOLDER})"
    found = re.compile(rf" {one}(?:(?:,| or ){one})*").match(text, start)
    return found[0] if found else ""


def _said(argument: Argument, value: str) -> str:
    if argument.is_flag:
        return f"`{argument.name}=True`{value}"
    if not value:
        return f"`{argument.name}`"
    ways = [_literal(way, argument) for way in value.strip().split(" or ")]
    return " or ".join([f"`{argument.name}={ways[0]}`", *(f"`{way}`" for way in ways[1:])])


def _literal(value: str, argument: Argument) -> str:
    """A value as Python has it; placeholders and numbers as they are."""
    if re.fullmatch(rf"{_NUMBER}|{_PLACEHOLDER}", value):
        return value
    if argument.is_list:
        return str(DISTANCES if value == "all" else tuple(value.split(","))).replace("'", '"')
    return f'"{value}"'


@contextmanager
def python_words(arguments: Mapping[str, Argument] | None = None) -> Iterator[None]:
    """Let errors and warnings speak Python meanwhile.

    Args:
        arguments: Arguments by option; those of measuring if none are given.
    """
    known = measuring_arguments() if arguments is None else arguments
    with worded(lambda text: in_python(text, known)):
        yield


def speaks_python(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function whose errors and warnings say options as its arguments."""

    @wraps(function)
    def speaking(*args: P.args, **kwargs: P.kwargs) -> R:
        with python_words(arguments_of(function)):
            return function(*args, **kwargs)

    return speaking
