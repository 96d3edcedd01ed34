"""The command line of a cell, word by word as W&B's agent makes it from `command` of a sweep file.

What the words after `--` look like is left to W&B's own code. Only the agent's loop over `command` is repeated here,
because there it is part of a method that starts the process.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from alignbench.errors import UsageError, shortened

if TYPE_CHECKING:
    from alignbench.sweeps.values import Value

COMMAND: Final = '["${env}", alignbench, run, "${args_no_boolean_flags}"]'
_ENV: Final = "/usr/bin/env"
_PYTHON: Final = "python"
_STARTS: Final = (("alignbench",), (_PYTHON, "-m", "alignbench"))


def command_line(command: Sequence[str], program: str, cell: Mapping[str, Value]) -> list[str]:
    """The command line that the agent would start for a cell, word by word.

    Args:
        command: `command` of the sweep file, with macros such as `${env}`.
        program: `program` of the sweep file.
        cell: Value of each parameter, by name.
    """
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    words = create_sweep_command(list(command))  # a copy, because it is changed in place
    macros = create_sweep_command_args({"args": {name: {"value": value} for name, value in cell.items()}})
    macros |= {"interpreter": [_PYTHON], "program": [program]}
    if platform.system() != "Windows":
        macros["env"] = [_ENV]
    line: list[str] = []
    for word in words:
        is_macro = word.startswith("${") and word.endswith("}")
        line += (macros.get(word[2:-1]) or []) if is_macro else [word]
    return line


def split_line(line: Sequence[str], commands: Iterable[str]) -> tuple[str, list[str]]:
    """Split a command line into what it runs and its arguments.

    Args:
        line: The command line, word by word.
        commands: The commands of alignbench that it may run, e.g. `run` or `interpret align`.

    Returns:
        Which of them, and the words that follow it.

    Raises:
        UsageError: If it runs anything else.
    """
    words = list(line[1:] if line[:1] == [_ENV] else line)
    for command in commands:
        for first in _STARTS:
            start = (*first, *command.split())
            if tuple(words[: len(start)]) == start:
                return command, words[len(start) :]
    raise UsageError(
        f"its command runs '{shortened(' '.join(words[:3]))}' and not alignbench: write command: {COMMAND}"
    )
