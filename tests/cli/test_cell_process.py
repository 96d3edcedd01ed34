"""A cell's process ends with the one that started it, and its own helpers have nothing to do with that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from patience import PATIENCE, wait_for

# the command line in whose place a few lines stand, so that nothing heavy is imported
PLAY = """
import sys, time, types
from pathlib import Path
command = types.ModuleType("alignbench.cli.main")
def run():
    print("begun", flush=True)
    {lines}
command.main = run
sys.modules["alignbench.cli.main"] = command
from alignbench.cli.cell_process import main
sys.exit(main())
"""


def started(lines: str, **environment: str) -> subprocess.Popen[str]:
    found = {name: value for name, value in os.environ.items() if name != "LOCAL_RANK"} | environment
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", PLAY.format(lines=lines)], env=found, text=True, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_it_ends_when_the_pipe_does(tmp_path: Path) -> None:
    with started("time.sleep(60); return 0") as process:
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 1


def test_words_on_the_pipe_do_not_end_it_and_its_exit_code_is_the_commands(tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"while not Path({str(go)!r}).exists(): time.sleep(0.02)"
    with started(f"{wait}\n    time.sleep(0.2); return 7") as process:  # in which a word could end it
        assert process.stdin is not None
        process.stdin.write("a word\n")
        process.stdin.flush()
        go.touch()
        assert process.wait(PATIENCE) == 7


def test_what_it_starts_has_nothing_to_read(tmp_path: Path) -> None:
    """A process that shared the pipe would wait at it for ever."""
    said = tmp_path / "said"
    read = "import subprocess; found = subprocess.run(['cat'], capture_output=True).stdout"
    with started(f"{read}; Path({str(said)!r}).write_bytes(found + b'!'); return 0") as process:
        wait_for(lambda: said.exists() and said.read_bytes() == b"!")
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_of_a_run_that_is_shared_leaves_its_input_alone(rank: str) -> None:
    with started("print(sys.stdin.read()); return 0", LOCAL_RANK=rank) as process:
        assert process.communicate("a word", timeout=PATIENCE)[0] == "a word\n"
        assert process.returncode == 0
