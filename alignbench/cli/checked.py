"""A command whose values are looked at before any work begins: what no command can use is refused for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from alignbench.errors import UsageError, shortened
from alignbench.sweeps.values import check_value


class CheckedCommand(TyperCommand):
    """A command that refuses what `check_value` does; what it allows beside that, it sees to itself.

    Typer's contexts and parameters have no public type that all its versions share.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command line.

        Raises:
            UsageError: If a value is one that no command can use; names its option.
        """
        words, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        self._check(ctx, words)  # as texts, before they become paths
        rest: list[str] = super().parse_args(ctx, args)
        self._check(ctx, ctx.params)  # as numbers
        for parameter in self.get_params(ctx):
            _check_digits(_spoken(parameter), words.get(str(parameter.name)), ctx.params.get(str(parameter.name)))
        return rest

    def _check(self, ctx: Any, values: dict[str, Any]) -> None:
        for parameter in self.get_params(ctx):
            for value in _each(values.get(str(parameter.name))):
                check_value(_spoken(parameter), value, may_be_empty=parameter.default == "")


def _check_digits(name: str, given: Any, read: Any) -> None:
    """Refuse numbers in the digits of other scripts, which Python and some versions of Typer read as well."""
    for text, value in zip(_each(given), _each(read), strict=False):
        if isinstance(text, str) and not text.isascii() and not isinstance(value, str):
            raise UsageError(f"{name} '{shortened(text)}' is no number: write it in the digits 0 to 9")


def _each(value: Any) -> Sequence[str | int | float]:
    """The texts and numbers that an option was given: none, one or several."""
    several = value if isinstance(value, list | tuple) else [value]
    return [each for each in several if isinstance(each, str | int | float)]


def _spoken(parameter: Any) -> str:
    """What a user calls an option, or an argument."""
    longest: str = max(parameter.opts, key=len)
    return longest if longest.startswith("-") else f"the argument {longest.upper()}"
