"""The entry of the command line: help at once, and what the package shows at its root."""

from __future__ import annotations

import subprocess
import sys

import pytest

import alignbench
from alignbench.cli.main import main


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from alignbench.cli.main import main; main(['--help']); "
        "heavy = {'torch', 'transformers', 'lightning', 'wandb', 'matplotlib', 'scipy', 'pandas', 'numpy'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_the_public_names_are_functions_and_classes_whatever_was_imported_first() -> None:
    import alignbench
    import alignbench.measurement.pipeline

    assert alignbench.measure is alignbench.measurement.pipeline.measure
    assert alignbench.__version__


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


def test_what_is_public_is_listed() -> None:
    assert set(alignbench.__all__) <= set(dir(alignbench))
    assert {"align", "measure", "run"} <= set(dir(alignbench))
    for name in alignbench.__all__:
        assert getattr(alignbench, name) is not None


def test_a_module_of_published_transforms_is_a_module() -> None:
    import alignbench.transforms.published as module

    assert module.published_transform.__module__ == "alignbench.transforms.published"
    assert alignbench.align is module.align
