"""Makes what a sweep leaves in an output folder, by plain file operations, and holds its locks as another process."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignbench.sweeps.cells import SweepCell

WHOLE = ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet", "curve.png", "curve.svg")
GARBAGE = {  # what may lie where a lock is to be
    "an empty file": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00garbage"),
    "a lock of an earlier version": lambda path: path.write_text('{"host": "h", "world": "w", "processes": [1]}'),
    "a process id beyond all": lambda path: path.write_text(f'{{"host": "h", "processes": [{10**30}]}}'),
    "deep brackets": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("target")),
}
_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def make_cell(number: int) -> SweepCell:
    return SweepCell({"seed": number}, ("--model=pixels", f"--seed={number}"), f"seed {number}")


def make_run(output: Path, name: str) -> str:
    """A run folder that counts as whole, and its name."""
    (output / name).mkdir(parents=True)
    for file in WHOLE:
        (output / name / file).write_text("")
    return name


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a file until it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with said_ready([sys.executable, "-c", _HOLD, str(path)], "held") as holder:
        yield holder


@contextmanager
def said_ready(command: list[str], word: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has said a word, and is killed in the end."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().split()[:1] == [word]
            yield process
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    """End a process as nothing can prevent, and collect it."""
    process.kill()
    process.wait()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of a file."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_gone(process: int) -> bool:
    """Whether no process has an id; one that is dead and not yet collected counts as gone."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except ProcessLookupError:
        return True
    except (OSError, IndexError):  # someone else's, or a system without /proc
        return False
