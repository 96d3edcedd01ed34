"""The commands as they are put together: help fits, and a command that needs a word says which there are."""

from __future__ import annotations

import pytest

from alignbench.cli.main import main


@pytest.mark.parametrize("words", [[], ["transform"]])
def test_a_command_that_needs_another_word_shows_its_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "\nCommands:\n" in told.out


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
