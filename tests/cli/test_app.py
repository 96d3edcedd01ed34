"""The commands as they are put together: help fits, and a command that needs a word says which there are."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from typing import Any

import pytest
from typer.main import get_command

from alignbench.cli.app import app
from alignbench.cli.main import main


def commands(group: Any, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every command by the words that call it."""
    found: dict[tuple[str, ...], Any] = {}
    for name, command in group.commands.items():
        is_group = hasattr(command, "commands")
        found |= commands(command, (*words, name)) if is_group else {(*words, name): command}
    return found


COMMANDS = commands(get_command(app))


@pytest.mark.parametrize("words", [[], ["transform"]])
def test_a_command_that_needs_another_word_shows_its_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "\nCommands:\n" in told.out


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version_is_shown(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    assert capsys.readouterr() == (f"alignbench {version('alignbench')}\n", "")


@pytest.mark.parametrize("words", [(), ("transform",), *COMMANDS])
def test_help_has_a_short_name_everywhere(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for word in ("-h", "--help"):
        assert main([*words, word]) == 0
        shown.append(capsys.readouterr())
    assert shown[0] == shown[1]
    assert "-h, --help" in shown[0].out
    assert shown[0].err == ""


@pytest.mark.parametrize("words", COMMANDS)
def test_help_is_of_whole_phrases_and_plain_names(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    for each in COMMANDS[words].params:
        assert re.match(r"[A-Za-z]", each.help), each.name
        assert each.help.endswith((".", "?")), each.help
        assert not re.match(r"(Of|As|Even|At|For|With|Also|Whose|Their|Its|In) ", each.help), (
            f"half a phrase: {each.help}"
        )
        assert len(each.help) <= 115, each.help
    assert main([*words, "--help"]) == 0
    usage, *_ = shown = capsys.readouterr().out.splitlines()
    arguments = [str(each.metavar) for each in COMMANDS[words].params if each.param_type_name == "argument"]
    assert usage.removesuffix("...").split()[2 + len(words) :] == ["[OPTIONS]", *arguments]
    assert not [line for line in shown if re.search(r"<\w+|list\[", line)], "a type of Python"


@pytest.mark.parametrize("words", COMMANDS)
def test_the_example_of_a_command_is_a_command_line(words: tuple[str, ...]) -> None:
    """Every word of it is known: it has the command's options, and all that it must have."""
    given = shlex.split(str(COMMANDS[words].epilog).removeprefix("For instance: alignbench "))
    assert tuple(given[: len(words)]) == words
    context = COMMANDS[words].make_context("it", given[len(words) :])
    assert all(context.params[each.name] not in (None, ()) for each in COMMANDS[words].params if each.required)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frob"], "No such command 'frob': see `alignbench --help`"),
        (["run", "--model"], "Option '--model' requires an argument: see `alignbench --help`"),
        (["run", "-x"], "No such option: -x: see `alignbench run --help`"),
        (["transform", "aply"], "No such command 'aply'. Did you mean 'apply'?"),
    ],
)
def test_what_the_command_line_lacks_is_said_with_a_remedy(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr() == ("", f"alignbench: {said}\n")


@pytest.mark.parametrize("words", [["--help"], ["transform", "--help"], ["datasets", "--help"]])
def test_help_fits_80_columns_with_whole_summaries(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    commands = lines[lines.index("Commands:") + 1 :]
    assert commands
    assert all(line.endswith(".") and not line.endswith("...") for line in commands if line)
