"""The commands of docs/align, whose stages take minutes: each has the options that it names, with values."""

from __future__ import annotations

import shlex

import pytest
import typer

from alignbench.cli.app import app
from documented import command_lines

STAGES = [shlex.split(line) for line in command_lines() if line.startswith("alignbench alignet ")]


def test_every_stage_is_shown() -> None:
    shown = {words[2] for words in STAGES}
    group = typer.main.get_command(app).commands["alignet"]  # type: ignore[attr-defined]
    assert shown == set(group.commands)


@pytest.mark.parametrize("words", STAGES, ids=" ".join)
def test_options_are_those_of_the_command(words: list[str]) -> None:
    command = typer.main.get_command(app).commands["alignet"].commands[words[2]]  # type: ignore[attr-defined]
    context = command.make_context(words[2], words[3:], resilient_parsing=True)
    given = [name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    named = [word for word in words if word.startswith("--")]
    assert set(named) <= options
    assert len(given) == len(set(named))
