"""The process of a cell: what it left, why it failed, and that nothing of it outlives whoever started it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alignbench.sweeps.process import CellProcess, is_whole, last_line
from head_folders import write_head_folder
from patience import wait_for
from sweep_folders import is_gone, make_run

Played = Callable[[str], CellProcess]


@pytest.fixture
def played(tmp_path: Path) -> Played:
    """Runs a few words of shell to their end."""

    def play(script: str) -> CellProcess:
        with CellProcess(["/bin/sh", "-c", script], tmp_path / "log", os.environ) as process:
            assert process.has_ended(30)
        return process

    return play


def test_whole_run_folders_that_it_named_are_what_it_left(tmp_path: Path, played: Played) -> None:
    output = tmp_path / "größe, runs"
    for name in ("a", "b", "half", "unnamed"):
        make_run(output, name)
    (output / "half" / "curve.csv").unlink()
    make_run(tmp_path / "elsewhere", "c")
    lines = [f"{output}/b", f"see {output}/unnamed", f"{tmp_path}/elsewhere/c", f"  {output}/a", f"{output}/b"]
    lines += [f"{output}/half", f"{output}/never-made"]
    script = "\n".join(f"echo '{line}'" for line in lines)
    assert played(script).folders(output) == ("b", "a"), "each once, in the order of the log"
    assert played(f"{script}\nexit 1").folders(output) == (), "of a failure nothing counts"


def test_scores_of_heads_are_what_a_cell_leaves_too(tmp_path: Path, played: Played) -> None:
    output = tmp_path / "runs"
    folder = write_head_folder(output, "clip__align__0")
    (write_head_folder(output, "half") / "cumulative.csv").unlink()
    assert is_whole(folder)
    assert played(f"echo '{output}/half'; echo '{folder}'").folders(output) == ("clip__align__0",)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo 'alignbench: first'; echo 'alignbench: then: this' >&2; echo more; exit 2", "then: this"),
        ("echo 'alignbench: why'; echo 'alignbench: warning: careful'; exit 1", "why"),
        ("echo 'alignbench: why'; echo 'alignbench: logged to W&B offline; to upload: x'; exit 1", "why"),
        ("echo 'alignbench: warning: careful'; exit 3", "ended with exit code 3: alignbench: warning: careful"),
        ("exit 4", "ended with exit code 4"),
        ("printf '\\377\\n'; exit 5", "ended with exit code 5: \N{REPLACEMENT CHARACTER}"),
        ("kill -KILL $$", "ended by SIGKILL, perhaps for want of memory"),
        ("echo 'alignbench: why'; kill -SEGV $$", "ended by SIGSEGV"),
        ("echo done", "left no run folder"),
    ],
)
def test_a_failure_is_told_by_the_last_complaint_or_else_by_the_end(played: Played, script: str, error: str) -> None:
    assert played(script).error() == error


def test_a_line_without_end_is_cut(played: Played) -> None:
    assert played("printf 'a%.0s' $(seq 500); exit 1").error() == f"ended with exit code 1: {'a' * 200}"


def test_leaving_it_ends_it_and_what_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with CellProcess(["/bin/sh", "-c", "sleep 120 & echo started $!; wait"], log, os.environ) as process:
        wait_for(lambda: last_line(log).startswith("started "))
        child = int(last_line(log).split()[1])
        assert not is_gone(child)
        assert not process.has_ended(0)
        assert not process.stopped
    assert process.stopped
    assert process.has_ended(0)
    wait_for(lambda: is_gone(child))


def test_it_inherits_what_it_is_to_hold(tmp_path: Path) -> None:
    (tmp_path / "held").write_text("inherited\n")
    with (tmp_path / "held").open() as file:
        command = [sys.executable, "-c", f"import os; print(os.read({file.fileno()}, 99).decode())"]
        with CellProcess(command, tmp_path / "log", os.environ, (file.fileno(),)) as process:
            assert process.has_ended(30)
    assert last_line(tmp_path / "log") == "inherited"


def test_one_that_has_ended_was_not_stopped(played: Played) -> None:
    process = played("exit 0")
    process.stop()
    assert not process.stopped


def test_a_command_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CellProcess([str(tmp_path / "nothing")], tmp_path / "log", {})


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"")
    assert last_line(log) == ""
    log.write_bytes(b"begun\n 12 images/s \r\n\n  \n")
    assert last_line(log) == "12 images/s"
