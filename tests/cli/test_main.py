"""The entry of the command line: help at once, and what the package shows at its root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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


# ------------------------------------------------------------------------------------------------------- SIGTERM


def ended(how: str) -> Callable[..., None]:
    """A command that is terminated, and what a library makes of that."""

    def command(**_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt:
            if how == "an error":
                raise RuntimeError("the mailbox is closed") from None
            raise

    return command


@pytest.mark.parametrize("how", ["an interruption", "an error"])
def test_sigterm_ends_a_command_as_an_interruption_does(
    how: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alignbench.cli.main._read_app", lambda: ended(how))
    assert main([]) == 143
    assert capsys.readouterr().err == "alignbench: terminated: finished runs are kept, nothing half-written is left\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_is_left_to_who_handles_it_already(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        monkeypatch.setattr("alignbench.cli.main._read_app", lambda: lambda **_: os.kill(os.getpid(), signal.SIGTERM))
        assert main([]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_a_run_that_is_terminated_while_it_writes_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr("alignbench.results.run_folder.write_judgments", write)
    words = ["run", "--model", "pixels", "--dataset", "shapes-low", "--limit", "3", "--wandb", "off"]
    assert main([*words, "--output", str(tmp_path / "runs"), "--loader-workers", "0"]) == 143
    assert capsys.readouterr().err.splitlines()[-1].startswith("alignbench: terminated: ")
    assert list((tmp_path / "runs").iterdir()) == []
