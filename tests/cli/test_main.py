"""The entry of the command line: help at once, and what the package shows at its root."""

from __future__ import annotations

import inspect
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
from alignbench.cli.signals import ENDINGS
from patience import PATIENCE


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from alignbench.cli.main import main; main(['--help']); "
        "heavy = {'torch', 'transformers', 'lightning', 'wandb', 'matplotlib', 'scipy', 'pandas', 'numpy'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_a_process_of_its_own_searches_seldom_for_unreachable_objects() -> None:
    code = "import gc, sys; sys.argv[1:] = ['--version']; from alignbench.cli.main import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; print(gc.get_threshold())"], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1].startswith("(50000, ")


def test_the_public_names_are_functions_and_classes_whatever_was_imported_first() -> None:
    import alignbench
    import alignbench.api.measuring

    assert inspect.unwrap(alignbench.measure) is alignbench.api.measuring.measure
    assert alignbench.__version__


def test_what_is_public_is_listed() -> None:
    assert set(alignbench.__all__) <= set(dir(alignbench))
    assert {"align", "measure", "run"} <= set(dir(alignbench))
    for name in alignbench.__all__:
        assert getattr(alignbench, name) is not None


def test_a_module_of_published_transforms_is_a_module() -> None:
    import alignbench.transforms.published as module

    assert module.published_transform.__module__ == "alignbench.transforms.published"
    assert inspect.unwrap(alignbench.align) is module.align


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
    assert not (tmp_path / "runs").exists()


# a package that stands in the place of a library, and says when its import has begun
BLOCKS = "import sys, time; print('imports', flush=True); time.sleep(600)"
# one of the texts from which a dataclass is made: Python itself notes where such a text is interrupted
RUNS = "import sys, time; exec('print(\"imports\", flush=True); time.sleep(600)')"


@pytest.mark.parametrize(
    ("number", "library", "text"),
    [
        (signal.SIGINT, "typer", RUNS),
        (signal.SIGTERM, "typer", BLOCKS),
        (signal.SIGHUP, "typer", BLOCKS),
        (signal.SIGTERM, "torch", RUNS),
    ],
)
def test_a_signal_during_imports_ends_a_run_in_one_line(
    tmp_path: Path, number: signal.Signals, library: str, text: str
) -> None:
    (tmp_path / f"{library}.py").write_text(text)
    words = ["run", "--model", "shapes-clip", "--dataset", "shapes-low", "--output", str(tmp_path / "runs")]
    process = subprocess.Popen(
        [sys.executable, "-m", "alignbench", *words],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGHUP)],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "imports\n"
    for each in (number, number):
        process.send_signal(each)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert err == f"alignbench: {ENDINGS[number]}: finished runs are kept, nothing half-written is left\n"


# ------------------------------------------------------------------------------------------------------- output


def printing(code: str) -> subprocess.CompletedProcess[str]:
    """The command line, with a few lines in the place of a command, whose output nobody reads."""
    play = f"from alignbench.cli import main\ndef command(**_):\n    {code}\nmain._read_app = lambda: command\n"
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as output:
        command = [sys.executable, "-c", play + "import sys; sys.exit(main.main())"]
        return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)


@pytest.mark.parametrize(
    "code", ["print(5)", "print(5, flush=True)", "from rich.console import Console; Console().print(5)"]
)
def test_a_reader_that_goes_away_ends_a_command_without_a_word(code: str) -> None:
    done = printing(code)
    assert (done.returncode, done.stderr) == (141, "")


def test_another_broken_pipe_is_an_error(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def command(**_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("alignbench.cli.main._read_app", lambda: command)
    assert main([]) == 1
    assert (
        capfd.readouterr().err
        == "alignbench: unexpected BrokenPipeError: [Errno 32] Broken pipe (--debug shows where)\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_for_which_there_is_no_room_is_an_error_of_one_line() -> None:
    with open("/dev/full", "wb") as output:
        command = [sys.executable, "-m", "alignbench", "--help"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    said = "alignbench: the output cannot be written (No space left on device): make room, or send it elsewhere\n"
    assert done.stderr == said


def test_a_file_that_nobody_expected_to_fail_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(**_: object) -> None:
        Path(f"/{'a' * 5000}").stat()

    monkeypatch.setattr("alignbench.cli.main._read_app", lambda: command)
    assert main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("alignbench: /aaaa")
    assert line.endswith("... cannot be used (File name too long): mend that, or name another")
    assert len(line) < 450
