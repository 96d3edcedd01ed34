"""Locks of cells: who has one, when it is stale, and what happens to those that are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alignbench.sweeps.locks import STALE_AFTER, Locks, _world, is_gone
from patience import PATIENCE
from sweep_folders import dead_process, make_lock

HERE = socket.gethostname()


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "cell.lock"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00garbage",
        b"[" * 100_000,
        b'{"host": "h", "world": "w", "processes": [1e999]}',
        b'{"host": "%s", "world": "%s", "processes": [%d]}' % (HERE.encode(), _world().encode(), 10**30),
    ],
    ids=range(4),
)
def test_a_lock_of_nonsense_goes_stale_and_stops_nobody(locks: Locks, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    then = time.time() - STALE_AFTER - 5
    os.utime(path, (then, then))
    assert not locks.is_held("cell")
    locks.clear()
    assert locks.take("cell") is not None


def test_one_of_two_takes_a_lock_which_names_its_process(locks: Locks, path: Path) -> None:
    assert not locks.is_held("cell")
    lock = locks.take("cell")
    assert lock is not None
    assert locks.take("cell") is None
    assert locks.is_held("cell")
    assert not locks.is_held("other")
    said = json.loads(path.read_text())
    assert (said["host"], said["processes"]) == (HERE, [os.getpid()])
    lock.share(4321)
    assert json.loads(path.read_text())["processes"] == [os.getpid(), 4321]
    assert locks.is_own("cell")
    assert not Locks(path.parent).is_own("cell")
    locks.release("cell")
    assert not path.exists()
    assert not locks.is_own("cell")
    assert locks.take("cell") is not None


def test_refreshed_lock_has_the_time_of_the_folder(locks: Locks, path: Path) -> None:
    lock = locks.take("cell")
    assert lock is not None
    os.utime(path, (1, 1))
    probe = path.with_name("probe")
    probe.touch()
    assert lock.refresh()
    assert path.stat().st_mtime >= probe.stat().st_mtime


def test_lock_that_someone_else_took_over_is_lost_and_left_alone(locks: Locks, path: Path) -> None:
    lock = locks.take("cell")
    assert lock is not None
    make_lock(path, 17)
    theirs = path.read_text()
    assert not lock.refresh()
    lock.share(18)
    lock.release()
    assert path.read_text() == theirs
    path.unlink()
    assert not lock.refresh()
    lock.share(18)
    assert not path.exists()


@pytest.mark.parametrize(("age", "held"), [(0.0, True), (STALE_AFTER - 5, True), (STALE_AFTER + 5, False)])
def test_lock_of_another_machine_is_stale_after_a_while(locks: Locks, path: Path, age: float, held: bool) -> None:
    make_lock(path, 1, age=age)
    assert locks.is_held("cell") is held


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_only_the_clock_of_the_folder_counts(
    locks: Locks, path: Path, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Locks.now
    monkeypatch.setattr(Locks, "now", lambda self: real(self) + ahead)  # the folder's machine is an hour off
    make_lock(path, 1, age=-ahead)
    assert locks.is_held("cell")
    make_lock(path, 1, age=STALE_AFTER + 5 - ahead)
    assert not locks.is_held("cell")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert not locks.is_held("cell")


def test_lock_of_this_machine_is_stale_at_once_when_all_its_processes_are_gone(locks: Locks, path: Path) -> None:
    dead = dead_process()
    make_lock(path, dead, host=HERE)
    assert not locks.is_held("cell")
    make_lock(path, dead, os.getpid(), host=HERE)
    assert locks.is_held("cell")
    make_lock(path, dead, host="elsewhere")  # whose processes cannot be seen from here
    assert locks.is_held("cell")
    said = json.loads(path.read_text()) | {"host": HERE, "world": "of another container"}
    path.write_text(json.dumps(said))
    assert locks.is_held("cell")


def test_live_process_may_still_lose_its_lock(locks: Locks, path: Path) -> None:
    make_lock(path, os.getpid(), host=HERE, age=STALE_AFTER + 5)  # its id may be a new process's
    assert not locks.is_held("cell")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_dead_process_that_nobody_collects_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()  # until it closes
    for _ in range(100):
        if is_gone(process.pid):
            break
        time.sleep(0.05)
    assert is_gone(process.pid)
    process.wait()
    assert not is_gone(os.getpid())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "x"}', '{"host": "x", "world": "", "processes": 3}'])
def test_lock_that_cannot_be_read_is_held_for_its_time(locks: Locks, path: Path, text: str) -> None:
    path.write_text(text)
    assert locks.is_held("cell")
    assert locks.clear() == []
    assert path.exists()
    os.utime(path, (1, 1))
    assert not locks.is_held("cell")
    assert locks.clear() == []
    assert not path.exists()


def test_only_stale_locks_are_cleared(locks: Locks, path: Path) -> None:
    kept = locks.take("kept")
    make_lock(path, 7, 8, age=STALE_AFTER + 5)
    make_lock(path.with_name("fresh.lock"), 9)
    (holder,) = locks.clear()
    assert (holder.host, holder.processes) == ("elsewhere", (7, 8))
    assert not path.exists()
    assert kept is not None
    assert kept.refresh()
    assert locks.is_held("fresh")


def test_turns_of_two_processes_do_not_overlap(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")
    code = f"""
import time
from pathlib import Path
from alignbench.sweeps.locks import Locks
locks, count = Locks(Path({str(tmp_path / "locks")!r})), Path({str(count)!r})
for _ in range(40):
    with locks.turn():
        seen = int(count.read_text())
        time.sleep(0.001)
        count.write_text(str(seen + 1))
"""
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0]
    assert count.read_text() == "80"
