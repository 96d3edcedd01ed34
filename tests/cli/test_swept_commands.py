"""The commands that a sweep may run are those of the command line, with their options."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main

from alignbench.cli.app import app
from alignbench.cli.swept_commands import check_heads, swept_commands
from alignbench.errors import UsageError


def test_options_are_those_of_the_command_line() -> None:
    commands = swept_commands()
    assert list(commands) == ["run", "interpret align"]
    for name, swept in commands.items():
        command: Any = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]
        there = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        assert {f"--{option}" for option in swept.options} | {"--help"} == there | {"--help"}


def test_cells_that_score_heads_are_checked() -> None:
    good = {"model": "shapes-clip", "dataset": "shapes-high", "protocol": "paper,corrected", "draws": 0, "twins": 2}
    check_heads(good)
    check_heads({**good, "random-init": True})
    check_heads({**good, "model": "random:shapes-clip", "seed": 3, "distance": "euclidean", "dtype": "bf16"})
    for wrong, said in (
        ({"protocol": "paper,published"}, "published"),
        ({"distance": "manhattan"}, "manhattan"),
        ({"draws": 4}, "--draws 4"),
        ({"seed": -1}, "seed -1"),
        ({"devices": 0}, "--devices 0"),
    ):
        with pytest.raises(UsageError, match=said):
            check_heads({**good, **wrong})
