"""Which cell of a sweep is next, whatever run folders, ledger and locks say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.locks import STALE_AFTER
from alignbench.sweeps.queue import Queue
from patience import PATIENCE
from sweep_folders import WHOLE, dead_process, make_cell, make_lock, make_run

CELLS = [make_cell(number) for number in range(3)]
HERE = socket.gethostname()


def queue_of(output: Path, cells: list[SweepCell] = CELLS) -> Queue:
    return Queue(cells, output, "mine")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    found = queue_of(tmp_path)
    found.enrol()
    return found


def states(queue: Queue) -> list[str]:
    return [standing.state for standing in queue.standings()]


def trials(queue: Queue) -> list[tuple[str, str]]:
    """Parameter and state of each trial, as Optuna reads them."""
    path = str(queue.folder / "journal.log")
    storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    study = optuna.load_study(study_name="sweep", storage=storage)
    return [(trial.system_attrs["fixed_params"]["seed"], trial.state.name) for trial in study.trials]


def lock_of(queue: Queue, cell: SweepCell) -> Path:
    return queue.folder / "locks" / f"{cell.key}.lock"


def leave_running(output: Path, cells: list[SweepCell]) -> None:
    """Cells whose process vanished without a word: nothing but the ledger tells of them."""
    other = queue_of(output, cells)
    other.enrol()
    assert [(taken := other.take()) and taken.cell for _ in cells] == cells
    for cell in cells:
        lock_of(other, cell).unlink()


def test_every_cell_is_enqueued_once(queue: Queue, tmp_path: Path) -> None:
    queue.enrol()
    queue_of(tmp_path).enrol()
    assert trials(queue) == [(0, "WAITING"), (1, "WAITING"), (2, "WAITING")]
    assert states(queue) == ["waiting"] * 3


def test_cells_are_taken_in_order_and_by_one(queue: Queue, tmp_path: Path) -> None:
    other = queue_of(tmp_path)
    taken = [queue.take(), other.take(), queue.take(), other.take()]
    assert [one and one.cell for one in taken] == [*CELLS, None]
    assert states(queue) == ["running", "elsewhere", "running"]
    assert states(other) == ["elsewhere", "running", "elsewhere"]
    assert trials(queue) == [(0, "RUNNING"), (1, "RUNNING"), (2, "RUNNING")]


def test_finished_cell_stays_finished_while_its_folders_are_whole(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take()
    assert taken is not None
    queue.finish(taken, (make_run(tmp_path, "a"), make_run(tmp_path, "b")), 1.0)
    assert not lock_of(queue, CELLS[0]).exists()
    queue.enrol()
    assert states(queue_of(tmp_path)) == ["finished", "waiting", "waiting"]
    for name in WHOLE:
        (tmp_path / "b" / name).rename(tmp_path / name)
        assert states(queue) == ["waiting"] * 3
        (tmp_path / name).rename(tmp_path / "b" / name)
    (tmp_path / "a" / "run.json").unlink()
    queue.enrol()
    assert trials(queue) == [(0, "COMPLETE"), (1, "WAITING"), (2, "WAITING"), (0, "WAITING")]
    again = queue.take()
    assert again is not None
    assert again.cell == CELLS[0]


def test_failed_cell_is_tried_again_by_the_next_start_only(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take()
    assert taken is not None
    queue.fail(taken, "tid2013 is not there")
    assert states(queue) == ["failed", "waiting", "waiting"]
    assert [(one := queue.take()) and one.cell for _ in range(3)] == [*CELLS[1:], None]
    attempt = queue.standings()[0].attempt
    assert attempt is not None
    assert attempt.error == "tid2013 is not there"
    later = queue_of(tmp_path)
    later.enrol()
    assert states(later) == ["waiting", "elsewhere", "elsewhere"]
    assert trials(queue) == [(0, "FAIL"), (1, "RUNNING"), (2, "RUNNING"), (0, "WAITING")]


def test_cell_that_was_put_back_waits_again(queue: Queue) -> None:
    taken = queue.take()
    assert taken is not None
    queue.put_back(taken)
    assert states(queue) == ["waiting"] * 3
    again = queue.take()
    assert again is not None
    assert again.cell == CELLS[0]
    assert trials(queue) == [(0, "FAIL"), (1, "WAITING"), (2, "WAITING"), (0, "RUNNING")]


@pytest.mark.parametrize("enrolled", [True, False])
def test_running_cell_that_nobody_holds_is_failed_and_enqueued_again(tmp_path: Path, enrolled: bool) -> None:
    leave_running(tmp_path, CELLS[:1])
    queue = queue_of(tmp_path)
    assert states(queue) == ["waiting"] * 3
    if enrolled:
        queue.enrol()
        assert sorted(trials(queue)) == [(0, "FAIL"), (0, "WAITING"), (1, "WAITING"), (2, "WAITING")]
    taken = queue.take()
    assert taken is not None
    assert taken.cell == CELLS[0]
    assert [state for number, state in trials(queue) if number == 0] == ["FAIL", "RUNNING"]


@pytest.mark.parametrize("lost", ["dead here", "stale elsewhere"])
def test_cell_of_a_stale_lock_is_taken_over(tmp_path: Path, lost: str) -> None:
    leave_running(tmp_path, CELLS[:1])
    queue = queue_of(tmp_path)
    path = lock_of(queue, CELLS[0])
    if lost == "dead here":
        make_lock(path, dead_process(), host=HERE)
    else:
        make_lock(path, 1, age=STALE_AFTER - 5)
        queue.enrol()
        assert states(queue) == ["elsewhere", "waiting", "waiting"]
        make_lock(path, 1, age=STALE_AFTER + 5)
    assert states(queue)[0] == "waiting"
    taken = queue.take()
    assert taken is not None
    assert taken.cell == CELLS[0]
    assert str(os.getpid()) in path.read_text()
    assert [state for number, state in trials(queue) if number == 0] == ["FAIL", "RUNNING"]


def test_lock_without_a_running_trial_holds_its_cell(queue: Queue) -> None:
    make_lock(lock_of(queue, CELLS[0]), 1)  # of one that is about to start it
    assert states(queue)[0] == "elsewhere"
    taken = queue.take()
    assert taken is not None
    assert taken.cell == CELLS[1]


def test_worker_that_was_taken_for_dead_records_nothing(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take()
    assert taken is not None
    path = lock_of(queue, CELLS[0])
    make_lock(path, 1, age=STALE_AFTER + 5)  # as if it had been asleep
    other = queue_of(tmp_path)
    again = other.take()
    assert again is not None
    assert again.cell == CELLS[0]
    queue.finish(taken, (make_run(tmp_path, "late"),), 1.0)
    assert again.lock.refresh()
    assert states(other)[0] == "running"
    other.finish(again, (make_run(tmp_path, "a"),), 1.0)
    attempt = other.standings()[0].attempt
    assert attempt is not None
    assert attempt.folders == ("a",)
    assert [state for number, state in trials(queue) if number == 0] == ["FAIL", "COMPLETE"]


def test_own_lock_is_not_stale_after_a_long_sleep(queue: Queue) -> None:
    assert queue.take() is not None
    make_lock(lock_of(queue, CELLS[0]), os.getpid(), host=HERE, age=STALE_AFTER + 5)
    again = queue.take()
    assert again is not None
    assert again.cell == CELLS[1]


def test_file_that_gained_cells_goes_on_with_the_old_ones(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take()
    assert taken is not None
    queue.finish(taken, (make_run(tmp_path, "a"),), 1.0)
    grown = queue_of(tmp_path, [make_cell(7), *CELLS[:2]])
    grown.enrol()
    assert states(grown) == ["waiting", "finished", "waiting"]
    assert [(one := grown.take()) and one.cell for _ in range(3)] == [make_cell(7), CELLS[1], None]
    assert (2, "WAITING") in trials(queue)  # which is not in the file any more


# ------------------------------------------------------------------------------------------------- scratch folders


def scratch(output: Path, host: str, process: int, age: float = 0.0, key: str = "0123abcd") -> Path:
    path = output / f".tmp-{key}-{host}-{process}"
    path.mkdir()
    (path / "curve.csv").write_text("half")
    changed = path.stat().st_mtime - age
    os.utime(path, (changed, changed))
    return path


def test_scratch_folders_of_dead_workers_are_removed_at_the_next_start(tmp_path: Path) -> None:
    queue = queue_of(tmp_path)
    dead = dead_process()
    make_lock(queue.folder / "locks" / "one.lock", dead, dead + 1_000_000, host=HERE)
    make_lock(queue.folder / "locks" / "two.lock", 71, 72, host="else-where", age=STALE_AFTER + 5)
    make_lock(queue.folder / "locks" / "three.lock", 73)
    gone = [
        scratch(tmp_path, HERE, dead + 1_000_000),
        scratch(tmp_path, "else-where", 72),
        scratch(tmp_path, HERE, dead + 2_000_000, age=STALE_AFTER + 5),  # of no sweep
        scratch(tmp_path, HERE, dead + 2_000_000, age=STALE_AFTER + 5, key="probe"),
    ]
    kept = [
        scratch(tmp_path, HERE, os.getpid(), age=STALE_AFTER + 5),
        scratch(tmp_path, HERE, dead + 3_000_000),  # perhaps of a container that is called as this machine
        scratch(tmp_path, "where", 72, age=STALE_AFTER + 5),
        scratch(tmp_path, "elsewhere", 73, age=STALE_AFTER + 5),
        tmp_path / ".wandb",
    ]
    kept[-1].mkdir()
    queue.enrol()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize("end", ["fail", "put_back"])
def test_scratch_folder_of_a_cell_that_did_not_finish_is_removed(queue: Queue, tmp_path: Path, end: str) -> None:
    taken = queue.take()
    assert taken is not None
    process = dead_process()
    taken.lock.share(process)
    left, other = scratch(tmp_path, HERE, process), scratch(tmp_path, HERE, process + 1_000_000)
    if end == "fail":
        queue.fail(taken, "no")
    else:
        queue.put_back(taken)
    assert not left.exists()
    assert other.exists()


# ------------------------------------------------------------------------------------------------------- two at once


@pytest.mark.parametrize("before", ["nothing", "stale"])
def test_two_processes_never_take_the_same_cell(tmp_path: Path, before: str) -> None:
    cells = [make_cell(number) for number in range(25)]
    if before == "stale":
        leave_running(tmp_path, cells)
        for cell in cells:
            make_lock(lock_of(queue_of(tmp_path), cell), 1, age=STALE_AFTER + 5)
    go = tmp_path / "go"
    code = f"""
import time
from pathlib import Path
from sweep_folders import make_cell
from alignbench.sweeps.queue import Queue
queue = Queue([make_cell(number) for number in range(25)], Path({str(tmp_path)!r}), "mine")
print("ready", flush=True)
while not Path({str(go)!r}).exists():
    time.sleep(0.001)
queue.enrol()
found = []
while taken := queue.take():
    found.append(taken.cell.parameters["seed"])
    time.sleep(0.02)
print(*found, flush=True)
input()  # a process that ends gives its cells away
"""
    start = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(start, env=environment, text=True, **pipes) for _ in range(2)]
    assert [process.stdout and process.stdout.readline() for process in processes] == ["ready\n"] * 2
    go.touch()
    found = [process.stdout.readline().split() if process.stdout else [] for process in processes]
    for process in processes:
        process.communicate("\n", timeout=PATIENCE)
    assert sorted(map(int, found[0] + found[1])) == list(range(25))
    states = [[state for number, state in trials(queue_of(tmp_path, cells)) if number == one] for one in range(25)]
    assert states == [["RUNNING"] if before == "nothing" else ["FAIL", "RUNNING"]] * 25
