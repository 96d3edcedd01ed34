"""Every option and argument of every command, given what no command can use: a line that names it, before any work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints
from unittest import mock

import pytest
from typer.main import get_command

from alignbench.cli.app import app
from alignbench.cli.checked import CheckedCommand
from alignbench.cli.main import main

BEYOND = (2**63, 10**30, -(10**30))
NO_NUMBER = ("nan", "inf", "-inf", "1e400")


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(get_command(app)))
VALUES = [
    pytest.param(words, parameter, id=f"{' '.join(words)} {parameter.name}")
    for words, command in COMMANDS.items()
    for parameter in command.params
    if not getattr(parameter, "is_flag", False) and parameter.name != "help"
]


def line(words: tuple[str, ...], parameter: Any, value: str) -> list[str]:
    """A command line with everything that it must have, and a value for one option or argument."""
    given = list(words)
    for each in COMMANDS[words].params:
        if each is parameter or each.required:
            text = value if each is parameter else "x"
            given += [text] if each.param_type_name == "argument" else [f"{max(each.opts, key=len)}={text}"]
    first = next((number for number, word in enumerate(given) if word == value and word.startswith("-")), None)
    return given if first is None else [*given[:first], "--", *given[first:]]


def refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], parameter: Any, value: object) -> None:
    capsys.readouterr()
    with mock.patch.object(COMMANDS[words].__class__, "invoke", side_effect=AssertionError("it was run")):
        code = main(line(words, parameter, str(value)))
    out, err = capsys.readouterr()
    name = max(parameter.opts, key=len)
    assert (code, out) == (2, ""), (value, err)
    assert err.count("\n") == 1, err
    assert (name if name.startswith("-") else parameter.metavar) in err
    assert len(err) < 600
    assert "unexpected" not in err


def test_every_command_is_checked() -> None:
    assert len(COMMANDS) > 10
    assert {words for words, command in COMMANDS.items() if not isinstance(command, CheckedCommand)} == set()


@pytest.mark.parametrize(("words", "parameter"), VALUES)
def test_what_no_command_can_use_is_refused_by_name(
    words: tuple[str, ...], parameter: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    hint = get_type_hints(COMMANDS[words].callback)[parameter.name]
    kinds = {hint, *get_args(hint)}
    for value in ("a\nb", "a\0b", "a\udcff", "a" * 5000, *(() if parameter.default == "" else ("", " "))):
        refused(capsys, words, parameter, value)
    if {int, float} & kinds:
        refused(capsys, words, parameter, "\uff14")
    for value in BEYOND if int in kinds else NO_NUMBER if float in kinds else ():
        refused(capsys, words, parameter, value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batch-size", "9" * 30), "--batch-size 999"),
        (("--batch-size", "9" * 200), "out of range"),
        (("--batch-size", "x" * 200), "neither a number nor auto"),
        (("--feature-memory", "9" * 200 + "GB"), "out of range"),
        (("--pixel-cache-size", "9999999999TB"), "out of range"),
        (("--batch-size", "\uff14"), "--batch-size \uff14 is neither a number nor auto: give 16, say"),
        (("--feature-memory", "\uff14GB"), "'\uff14GB' is not a size"),
        (("--feature-memory", "4\uff27\uff22"), "is not a size"),
        (("--pixel-cache-size", "4\u212a"), "is not a size"),  # the sign of kelvin
        (("--limit", "\uff14"), "--limit"),
        (("--devices", "1025"), "devices 1025 is out of range: give 1,024 at most"),
        (("--num-nodes", "70000"), "number of nodes 70000 is out of range"),
        (("--loader-workers", "5000"), "loader workers 5000 is out of range"),
        (("--seeds", "1000000000000", "--random-init"), "--seeds"),
        (
            ("--seed", "9223372036854775807", "--seeds", "2", "--random-init"),
            "seed 9223372036854775808 is out of range",
        ),
    ],
)
def test_numbers_of_a_run_have_bounds(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "shapes-clip", "--dataset", "shapes-low", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert len(err) < 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "--model", "shapes-clip", "--dataset", "shapes-low", "--devices", f"1,{10**30}"), "--devices 1000"),
        (("plan", "--model", "shapes-clip", "--dataset", "shapes-low", "--devices", "1,2000"), "devices 2000 is out"),
        (("compare", "a", "b", "--seed", "-1"), "--seed"),
        (("transform", "learn", "--model", "shapes-clip", "--seed", str(2**32)), "--seed"),
        (("transform", "learn", "--model", "shapes-clip", "--seed", "-1"), "--seed"),
    ],
)
def test_numbers_of_other_commands_have_bounds(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize(
    "words", [words for words in COMMANDS if any(each.required for each in COMMANDS[words].params)]
)
def test_what_is_missing_is_named_with_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(words)) == 2
    [line] = capsys.readouterr().err.splitlines()
    needed = [each for each in COMMANDS[words].params if each.required]
    for each in needed:
        assert (f"--{each.name}" if each.param_type_name == "option" else str(each.metavar)) in line
    assert f"{'are' if len(needed) > 1 else 'is'} missing: give for instance `alignbench {' '.join(words)} " in line
    assert main([*words, "--help"]) == 0


def test_only_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a"]) == 2
    assert capsys.readouterr().err.startswith("alignbench: OTHER is missing: ")
    assert main(["run", "--model", "pixels"]) == 2
    assert capsys.readouterr().err.startswith("alignbench: --dataset is missing: ")


@pytest.mark.parametrize(
    "words",
    [
        ("datasets", "check", "tid2013", "--data-root", "{}"),
        ("datasets", "check", "tid2013", "--data-root={}"),
        ("extract", "--model", "shapes-clip", "--output", "a.npz", "--images", "{}"),
        ("run", "--dataset", "shapes-low", "--model", "{}"),
        ("run", "--dataset", "shapes-low", "--model", "random:{}"),
        ("run", "--dataset", "shapes-low", "--model=open_clip:{}"),
        ("transform", "evaluate", "--model", "shapes-clip", "--transform", "{}.npz"),
        ("sweep", "{}.yaml"),
        ("reproduce", "{}"),
    ],
)
def test_the_home_folder_is_meant_where_the_shell_left_its_sign(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/no/such/home")
    assert main([word.format("~/a b") for word in words]) != 0
    assert "/no/such/home/a b" in capsys.readouterr().err
    assert main([word.format("~nobody-is-called-so/a") for word in words]) != 0
    assert "~nobody-is-called-so/a" in capsys.readouterr().err


def test_an_empty_text_is_taken_where_that_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "check", "shapes-low", "--subset", ""]) == 0
    assert capsys.readouterr().err == ""
