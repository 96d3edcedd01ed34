"""A command whose values are looked at before any work begins: what no command can use is refused for all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from typer.core import TyperCommand

from alignbench.errors import UsageError, shortened
from alignbench.sweeps.values import check_value

_METAVARS: Final = {Path: "PATH", int: "N", float: "NUMBER", str: "TEXT"}  # in help, where none is given
_EXAMPLE: Final = "For instance: "
_HOME: Final = re.compile(r"(^|[=:,])(~[^/=:,]*)(?=/|$)")  # where a place begins: `~`, `NAME=~/x`, `open_clip:~/x`


def epilog(example: str) -> str:
    """What stands below the help of a command: an example, which is also told whoever leaves out a value."""
    return f"{_EXAMPLE}alignbench {example}"


class CheckedCommand(TyperCommand):
    """A command that refuses what `check_value` does; what it allows beside that, it sees to itself.

    A `~` that the shell left as it is, as in `--output=~/runs`, stands for the home folder.

    Typer's contexts and parameters have no public type that all its versions share.
    """

    def __init__(self, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **settings)
        hints = get_type_hints(self.callback) if self.callback is not None else {}
        parameter: Any
        for parameter in self.params:
            kinds = {hints.get(str(parameter.name)), *get_args(hints.get(str(parameter.name)))}
            if parameter.metavar is None and bool not in kinds:
                parameter.metavar = next((name for kind, name in _METAVARS.items() if kind in kinds), None)
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = _no_type

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What the usage line says of options and arguments: plain names, as in the documents."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command line.

        Raises:
            UsageError: If a value is missing, or is one that no command can use; names its option.
        """
        args = [_HOME.sub(_expanded, word) for word in args]
        if ctx.resilient_parsing:  # a line that is being typed, of which the shell wants to know how it may go on
            unfinished: list[str] = super().parse_args(ctx, args)
            return unfinished
        words, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        self._check(ctx, words)  # as texts, before they become paths
        self._check_complete(ctx, words)
        rest: list[str] = super().parse_args(ctx, args)
        self._check(ctx, ctx.params)  # as numbers
        for parameter in self.get_params(ctx):
            _check_digits(_spoken(parameter), words.get(str(parameter.name)), ctx.params.get(str(parameter.name)))
        return rest

    def _check(self, ctx: Any, values: dict[str, Any]) -> None:
        for parameter in self.get_params(ctx):
            for value in _each(values.get(str(parameter.name))):
                check_value(_spoken(parameter), value, may_be_empty=parameter.default == "")

    def _check_complete(self, ctx: Any, words: dict[str, Any]) -> None:
        """Refuse a line that lacks a value, with a line that would do."""
        if words.get("help"):
            return
        missing = [_called(each) for each in self.get_params(ctx) if each.required and not words.get(str(each.name))]
        if missing:
            verb, named = "is" if len(missing) == 1 else "are", ", ".join(missing[:-1])
            example = str(self.epilog or f"{_EXAMPLE}{ctx.command_path} --help").removeprefix(_EXAMPLE)
            raise UsageError(
                f"{named}{' and ' * bool(named)}{missing[-1]} {verb} missing: give for instance `{example}`"
            )


def _no_type(ctx: Any) -> str:
    """Beside an argument, some versions of Typer show its type in Python."""
    return ""


def _expanded(found: re.Match[str]) -> str:
    """The home folder in the place of its sign; what is nobody's stays as it is."""
    return found[1] + os.path.expanduser(found[2])


def _check_digits(name: str, given: Any, read: Any) -> None:
    """Refuse numbers in the digits of other scripts, which Python and some versions of Typer read as well."""
    for text, value in zip(_each(given), _each(read), strict=False):
        if isinstance(text, str) and not text.isascii() and not isinstance(value, str):
            raise UsageError(f"{name} '{shortened(text)}' is no number: write it in the digits 0 to 9")


def _each(value: Any) -> Sequence[str | int | float]:
    """The texts and numbers that an option was given: none, one or several."""
    several = value if isinstance(value, list | tuple) else [value]
    return [each for each in several if isinstance(each, str | int | float)]


def _called(parameter: Any) -> str:
    """What an option or an argument is called in the help of its command."""
    longest: str = max(parameter.opts, key=len)
    return longest if longest.startswith("-") else str(parameter.metavar or longest.upper()).removesuffix("...")


def _spoken(parameter: Any) -> str:
    """What a user calls an option, or an argument."""
    name = _called(parameter)
    return name if name.startswith("-") else f"the argument {name}"
