"""Which cell of a sweep is next, whatever run folders, ledger and locks say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from alignbench.files.scratch import scratch_folder
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.queue import Queue
from head_folders import write_head_folder
from sweep_folders import GARBAGE, WHOLE, held_elsewhere, kill, make_cell, make_run, said_ready

CELLS = [make_cell(number) for number in range(3)]


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
    taken = [other.take() for _ in cells]
    assert [each and each.cell for each in taken] == cells
    for each in taken:
        assert each is not None
        each.lock.release()


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


def test_scores_of_heads_finish_a_cell_too(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take()
    assert taken is not None
    folder = write_head_folder(tmp_path, "clip__align__0")
    queue.finish(taken, (folder.name,), 1.0)
    assert states(queue) == ["finished", "waiting", "waiting"]
    (folder / "heads.svg").unlink()
    assert states(queue) == ["waiting"] * 3


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


def test_cell_of_another_process_is_left_alone_until_that_is_killed(tmp_path: Path) -> None:
    leave_running(tmp_path, CELLS[:1])
    queue = queue_of(tmp_path)
    with held_elsewhere(lock_of(queue, CELLS[0])) as holder:
        queue.enrol()
        assert states(queue) == ["elsewhere", "waiting", "waiting"]
        assert [(one := queue.take()) and one.cell for _ in range(3)] == [*CELLS[1:], None]
        kill(holder)
        assert states(queue)[0] == "waiting"
        taken = queue.take()
    assert taken is not None
    assert taken.cell == CELLS[0]
    assert [state for number, state in trials(queue) if number == 0] == ["FAIL", "RUNNING"]


def test_lock_without_a_running_trial_holds_its_cell(queue: Queue) -> None:
    with held_elsewhere(lock_of(queue, CELLS[0])):  # of one that is about to start it
        assert states(queue)[0] == "elsewhere"
        taken = queue.take()
    assert taken is not None
    assert taken.cell == CELLS[1]


@pytest.mark.parametrize("put", GARBAGE.values(), ids=GARBAGE)
def test_what_lies_among_the_locks_stops_no_sweep(tmp_path: Path, put: Callable[[Path], object]) -> None:
    """Whatever it is, and whether it has the name of a cell, of no cell, or of a lock of an earlier version."""
    folder = tmp_path / ".sweep-mine"
    (folder / "locks").mkdir(parents=True)
    for name in (f"locks/{CELLS[0].key}.lock", "locks/0123456789ab.lock", "locks.turn.lock", "journal.log.lock"):
        put(folder / name)
    queue = queue_of(tmp_path)
    queue.enrol()
    taken = queue.take()
    assert taken is not None
    assert taken.cell == CELLS[0]
    queue.finish(taken, (make_run(tmp_path, "a"),), 1.0)
    assert states(queue) == ["finished", "waiting", "waiting"]
    assert (folder / "journal.log.lock").is_symlink() or (folder / "journal.log.lock").exists(), "it is not looked at"


@pytest.mark.parametrize("end", ["fail", "put_back"])
def test_what_a_cell_that_did_not_finish_was_writing_is_removed(queue: Queue, tmp_path: Path, end: str) -> None:
    taken = queue.take()
    assert taken is not None
    left = scratch_folder(tmp_path, "0123abcd")  # which nobody holds any more
    left.mkdir()
    if end == "fail":
        queue.fail(taken, "no")
    else:
        queue.put_back(taken)
    assert not left.exists()


def test_file_that_gained_cells_goes_on_with_the_old_ones(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take()
    assert taken is not None
    queue.finish(taken, (make_run(tmp_path, "a"),), 1.0)
    grown = queue_of(tmp_path, [make_cell(7), *CELLS[:2]])
    grown.enrol()
    assert states(grown) == ["waiting", "finished", "waiting"]
    assert [(one := grown.take()) and one.cell for _ in range(3)] == [make_cell(7), CELLS[1], None]
    assert (2, "WAITING") in trials(queue)  # which is not in the file any more


# ------------------------------------------------------------------------------------------------------- two at once


TAKE = """
import sys
from pathlib import Path
from sweep_folders import make_cell
from alignbench.sweeps.queue import Queue
queue = Queue([make_cell(number) for number in range(15)], Path(sys.argv[1]), "mine")
print("ready", flush=True)
for line in sys.stdin:  # each asks for a cell
    queue.enrol()
    taken = queue.take()
    print(taken.cell.parameters["seed"] if taken else "none", flush=True)
"""
MANY = [make_cell(number) for number in range(15)]


def asked(process: subprocess.Popen[str]) -> str:
    """What a process takes when it is asked to."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("take\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_two_processes_at_once_never_take_the_same_cell(tmp_path: Path) -> None:
    leave_running(tmp_path, MANY[:5])
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        command = [sys.executable, "-c", TAKE, str(tmp_path)]
        processes = [stack.enter_context(said_ready(command, "ready")) for _ in range(2)]
        found = [list(pool.map(asked, processes)) for _ in range(8)]  # both at once, again and again
        taken = sorted(int(word) for pair in found for word in pair if word != "none")
        assert taken == list(range(15))
        known = trials(queue_of(tmp_path, MANY))
        assert [[state for number, state in known if number == one] for one in range(15)] == [
            *[["FAIL", "RUNNING"]] * 5,
            *[["RUNNING"]] * 10,
        ]
        theirs = sorted(int(pair[0]) for pair in found if pair[0] != "none")
        kill(processes[0])
        assert int(asked(processes[1])) == theirs[0], "what a killed process had is taken over at once"
        assert states(queue_of(tmp_path, MANY)).count("waiting") == len(theirs) - 1


def test_a_cell_that_was_left_to_its_job_is_taken_up_with_the_same_attempt(queue: Queue, tmp_path: Path) -> None:
    taken = queue.take(besides={CELLS[0].key})
    assert taken is not None
    assert taken.cell == CELLS[1], "the first was not to be taken"
    assert queue.take_up(CELLS[1]) is None, "it is held"
    queue.leave(taken)
    other = queue_of(tmp_path)
    assert other.take_up(CELLS[0]) is None, "it has not begun"
    again = other.take_up(CELLS[1])
    assert again is not None
    assert again.trial == taken.trial
    assert states(queue) == ["waiting", "elsewhere", "waiting"]
    make_run(tmp_path, "a")
    other.finish(again, ("a",), 1.0)
    assert trials(queue) == [(0, "WAITING"), (1, "COMPLETE"), (2, "WAITING")]
    assert other.take_up(CELLS[1]) is None, "it has ended"
