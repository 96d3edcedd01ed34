"""Locks of cells: one has each, whatever lies in its place, and they end with their process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from alignbench.files.locks import Lock
from alignbench.sweeps.locks import Locks
from patience import PATIENCE
from sweep_folders import GARBAGE, held_elsewhere, is_held, kill, said_ready


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "cell.lock"


def test_one_of_two_takes_a_lock(locks: Locks, path: Path) -> None:
    other = Locks(path.parent)
    assert not locks.is_held("cell")
    assert list(path.parent.iterdir()) == [], "looking makes nothing"
    assert locks.take("cell") is not None
    assert locks.take("cell") is None
    assert other.take("cell") is None
    assert is_held(path)
    assert [each.is_held("cell") for each in (locks, other)] == [True, True]
    assert [each.is_own("cell") for each in (locks, other)] == [True, False]
    assert not locks.is_held("other")
    locks.release("cell")
    assert not locks.is_own("cell")
    assert not locks.is_held("cell")
    assert other.take("cell") is not None


@pytest.mark.parametrize("put", GARBAGE.values(), ids=GARBAGE)
def test_what_lies_in_its_place_stops_nobody(locks: Locks, path: Path, put: Callable[[Path], object]) -> None:
    put(path)
    before = path.read_bytes() if path.is_file() else None
    assert not locks.is_held("cell")
    assert locks.take("cell") is not None
    assert Locks(path.parent).is_held("cell")
    locks.release("cell")
    assert not locks.is_held("cell")
    assert before is None or path.read_bytes() == before


def test_lock_of_a_process_that_is_killed_is_free_at_once(locks: Locks, path: Path) -> None:
    with held_elsewhere(path) as holder:
        assert locks.is_held("cell")
        assert locks.take("cell") is None
        kill(holder)
        assert not locks.is_held("cell")
        assert locks.take("cell") is not None
    assert path.exists()


# ------------------------------------------------------------------------------------------------------------- turns

COUNT = """
import sys, time
from pathlib import Path
from alignbench.sweeps.locks import Locks
locks, count = Locks(Path(sys.argv[1]) / "locks"), Path(sys.argv[1]) / "count"
for _ in range(40):
    with locks.turn():
        seen = int(count.read_text())
        time.sleep(0.001)
        count.write_text(str(seen + 1))
"""


def test_turns_of_processes_do_not_overlap(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0]
    assert (tmp_path / "count").read_text() == "80"


def test_turns_of_threads_do_not_overlap(locks: Locks) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            with locks.turn():
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 200


def test_turn_of_a_process_that_is_killed_is_over(locks: Locks, tmp_path: Path) -> None:
    (tmp_path / "locks.turn.lock").touch()  # of an earlier version that was killed in its turn
    code = "import sys; from pathlib import Path; from alignbench.sweeps.locks import Locks\n"
    code += "with Locks(Path(sys.argv[1])).turn(): print('inside', flush=True); sys.stdin.read()"
    reached: list[str] = []

    def take_turn() -> None:
        with locks.turn():
            reached.append("inside")

    with said_ready([sys.executable, "-c", code, str(tmp_path / "locks")], "inside") as holder:
        waiting = Thread(target=take_turn)
        waiting.start()
        with pytest.raises(BlockingIOError):
            Lock(tmp_path / "locks.turn")
        assert reached == []
        kill(holder)
        waiting.join(PATIENCE)
    assert reached == ["inside"]
    assert (tmp_path / "locks.turn.lock").exists(), "it is not looked at"
