"""Locks of files: one process has each, and they end with the last that has the file open."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError
from alignbench.files.locks import Lock
from patience import wait_for
from sweep_folders import held_elsewhere, is_held, kill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.lock"


def test_one_of_two_has_a_lock(path: Path) -> None:
    lock = Lock(path)
    with pytest.raises(BlockingIOError):
        Lock(path)
    lock.release()
    Lock(path).release()
    assert path.exists()


def test_a_lock_that_is_waited_for_is_taken_when_its_holder_ends(path: Path) -> None:
    with held_elsewhere(path) as holder:
        kill(holder)
        Lock(path, wait=True).release()


HEIR = """
import subprocess, sys
from pathlib import Path
from alignbench.files.locks import Lock
lock = Lock(Path(sys.argv[1]))
command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
heir = subprocess.Popen(command, stdin=int(sys.argv[2]), pass_fds=(lock.descriptor,))
print("started", flush=True)
if sys.argv[3] == "release":
    lock.release()
sys.stdin.read()
"""


@pytest.mark.parametrize("then", ["die", "release"])
def test_who_inherits_a_lock_holds_it_longer_unless_it_is_released(path: Path, then: str) -> None:
    to_read, to_write = os.pipe()  # the heir lives until this is closed
    command = [sys.executable, "-c", HEIR, str(path), str(to_read), then]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, pass_fds=(to_read,), **pipes) as process:
        os.close(to_read)
        assert process.stdout is not None
        process.stdout.readline()
        if then == "die":
            kill(process)
            assert is_held(path)
            os.close(to_write)
        wait_for(lambda: not is_held(path))
        kill(process)
    if then == "release":
        os.close(to_write)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_file_system_without_locks_is_named(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    open_before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(AlignbenchError) as caught:
        Lock(path)
    assert str(caught.value) == (
        f"{path} cannot be locked ({os.strerror(number)}): choose an --output on a file system with "
        "locks (flock), such as a disk of this machine"
    )
    assert not open_before or len(os.listdir("/proc/self/fd")) == open_before


def test_lock_file_that_cannot_be_opened_is_named(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links") as caught:
        Lock(path)
    assert caught.value.filename == str(path)
