"""Cells as jobs: followed, given away anew, taken up again and never run twice, with a scheduler that is played."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError
from alignbench.sweeps.array_runner import ArrayRunner
from alignbench.sweeps.cell_job import CellJob, CellOrder
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.job_records import JobEnd, JobRecord, JobRecords
from alignbench.sweeps.queue import Queue
from alignbench.sweeps.runner import Start, Watcher
from patience import PATIENCE
from sweep_folders import held_elsewhere, kill, make_cell, make_run

CELLS = [make_cell(number) for number in range(3)]
GOOD = ("PENDING", "RUNNING", "good")


class Heard(Watcher):
    """What a watcher heard, in words."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.queue: list[int] = []
        self.waiting: list[int] = []
        self.done = 0

    def started(self, worker: int, cell: SweepCell, log: Path) -> None:
        self.events.append(f"started {cell.name}")

    def finished(self, worker: int, cell: SweepCell, seconds: float) -> None:
        self.events.append(f"finished {cell.name} in {seconds:.0f}")

    def failed(self, worker: int, cell: SweepCell, error: str, log: Path) -> None:
        self.events.append(f"failed {cell.name}: {error}")

    def put_back(self, worker: int, cell: SweepCell) -> None:
        self.events.append(f"put back {cell.name}")

    def settled(self, cells: int) -> None:
        self.done = cells

    def waits(self, cells: int) -> None:
        self.waiting.append(cells)

    def queued(self, cells: int) -> None:
        self.queue.append(cells)


class Played:
    """A scheduler whose jobs go from state to state each time that it is asked.

    `good` leaves a run folder, `bad` a complaint, `told` that it was interrupted, after which jobs have ended.

    Args:
        plays: States of the job of each submission of a cell, by the cell's number in `CELLS`.
        at: Called with a count whenever the states are asked for.
    """

    def __init__(self, plays: dict[int, list[tuple[str, ...]]], at: Callable[[int], object] = lambda _: None) -> None:
        self._plays = {CELLS[number].key: list(played) for number, played in plays.items()}
        self._jobs: dict[str, tuple[CellOrder, list[str]]] = {}
        self._at, self._asked = at, 0
        self.arrays: list[list[str]] = []
        self.refuses = self.silent = False

    def submit(self, jobs: Sequence[CellJob]) -> list[str]:
        if self.refuses:
            raise AlignbenchError("sbatch refused the cells")
        self.arrays.append([job.order.key for job in jobs])
        names = [f"{len(self.arrays)}_{number}" for number, _ in enumerate(jobs)]
        for name, job in zip(names, jobs, strict=True):
            self._jobs[name] = (job.order, list(self._plays[job.order.key].pop(0)))
            given = JobRecords(job.order.folder).given(job.order.key)
            assert given == JobRecord(job.order.token), "it is given before it is submitted"
        return names

    def states(self, jobs: Collection[str]) -> dict[str, str] | None:
        self._asked += 1
        self._at(self._asked)
        return None if self.silent else {job: self._next(job) for job in jobs}

    def said(self, job: str) -> str:
        return f"what {job} said"

    def _next(self, job: str) -> str:
        order, states = self._jobs[job]
        state = states.pop(0) if len(states) > 1 else states[0]
        ends = {
            "good": JobEnd(order.token, (f"run-{order.key}",), "", 7.0),
            "bad": JobEnd(order.token, error="no data"),
            "told": JobEnd(order.token, interrupted=True),
        }
        if state not in ends:
            return state
        if state == "good":
            make_run(order.output, f"run-{order.key}") if not (order.output / f"run-{order.key}").exists() else None
        JobRecords(order.folder).end(order.key, ends[state])
        return "FAILED" if state == "told" else "COMPLETED"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignbench.sweeps.array_runner._POLL", 0.01)
    monkeypatch.setattr("alignbench.sweeps.array_runner._GRACE", 0.0)


def runner_of(folder: Path, scheduler: Played, heard: Heard | None = None, cells: int = 3) -> tuple[ArrayRunner, Queue]:
    queue = Queue(CELLS[:cells], folder, "mine")
    return ArrayRunner(queue, scheduler, Start(("run",), (), {}), 60, heard or Heard()), queue


def states(queue: Queue) -> list[str]:
    return [standing.state for standing in queue.standings()]


def attempts(queue: Queue) -> list[int]:
    """Number of the last trial of each cell."""
    return [standing.attempt.trial for standing in queue.standings() if standing.attempt is not None]


def test_all_cells_are_one_array_and_end_as_their_jobs_tell(tmp_path: Path) -> None:
    scheduler, heard = Played({0: [GOOD], 1: [("PENDING", "PENDING", "bad")], 2: [("good",)]}), Heard()
    runner, queue = runner_of(tmp_path, scheduler, heard)
    runner.run()
    assert scheduler.arrays == [[cell.key for cell in CELLS]]
    assert states(queue) == ["finished", "failed", "finished"]
    assert attempts(queue) == [0, 1, 2], "each was tried once"
    assert sorted(heard.events) == [
        "failed seed 1: no data",
        *("finished seed 0 in 7", "finished seed 2 in 7"),
        *("started seed 0", "started seed 1", "started seed 2"),
    ]
    assert heard.queue == [2, 1, 0]
    assert heard.done == 3
    assert runner.open == 0
    assert JobRecords(queue.folder).keys() == set()


@pytest.mark.parametrize("lost", [("RUNNING", "NODE_FAIL"), ("PREEMPTED",), ("RUNNING", ""), ("RUNNING", "told")])
def test_a_cell_whose_job_is_lost_is_given_away_anew(tmp_path: Path, lost: tuple[str, ...]) -> None:
    scheduler, heard = Played({0: [lost, GOOD], 1: [GOOD]}), Heard()
    runner, queue = runner_of(tmp_path, scheduler, heard, 2)
    runner.run()
    assert scheduler.arrays == [[CELLS[0].key, CELLS[1].key], [CELLS[0].key]]
    assert states(queue) == ["finished", "finished"]
    assert heard.events.count("put back seed 0") == 1
    assert heard.events.count("finished seed 0 in 7") == 1


def test_a_cell_whose_jobs_are_lost_again_and_again_fails(tmp_path: Path) -> None:
    scheduler = Played({0: [("NODE_FAIL",)] * 9})
    runner, queue = runner_of(tmp_path, scheduler, cells=1)
    runner.run()
    assert len(scheduler.arrays) == 4
    (standing,) = queue.standings()
    assert standing.state == "failed"
    assert standing.attempt is not None
    assert standing.attempt.error == "its job was lost 4 times, in the end what 4_0 said"


def test_a_job_that_slurm_queues_again_keeps_its_cell(tmp_path: Path) -> None:
    heard, scheduler = Heard(), Played({0: [("RUNNING", "REQUEUED", "PENDING", "RUNNING", "good")]})
    runner, _ = runner_of(tmp_path, scheduler, heard, 1)
    runner.run()
    assert len(scheduler.arrays) == 1
    assert heard.events == ["started seed 0", "put back seed 0", "started seed 0", "finished seed 0 in 7"]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("TIMEOUT", "its job reached its time limit: give it more --time"),
        ("OUT_OF_MEMORY", "its job ran out of memory: Slurm gives more with more --cpus-per-cell on most clusters"),
        ("FAILED", "its job ended as FAILED before it told how: what 1_0 said"),
        ("COMPLETED", "its job ended as COMPLETED before it told how: what 1_0 said"),
    ],
)
def test_a_job_that_ended_without_a_word_fails_its_cell(tmp_path: Path, state: str, error: str) -> None:
    scheduler = Played({0: [("RUNNING", state)]})
    runner, queue = runner_of(tmp_path, scheduler, cells=1)
    runner.run()
    (standing,) = queue.standings()
    assert standing.attempt is not None
    assert (standing.state, standing.attempt.error) == ("failed", error)


def test_a_cancelled_cell_waits_for_the_next_command(tmp_path: Path) -> None:
    scheduler = Played({0: [("RUNNING", "CANCELLED"), GOOD], 1: [GOOD]})
    runner, queue = runner_of(tmp_path, scheduler, cells=2)
    runner.run()
    assert states(queue) == ["waiting", "finished"]
    assert JobRecords(queue.folder).keys() == set()
    runner, queue = runner_of(tmp_path, scheduler, cells=2)
    runner.run()
    assert states(queue) == ["finished", "finished"]
    assert scheduler.arrays[1:] == [[CELLS[0].key]]


def interrupt_at(count: int) -> Callable[[int], None]:
    def at(asked: int) -> None:
        if asked == count:
            raise KeyboardInterrupt

    return at


def test_jobs_that_were_left_are_followed_and_only_what_nobody_runs_is_submitted(tmp_path: Path) -> None:
    slow = ("PENDING", "RUNNING", "RUNNING", "RUNNING", "good")
    scheduler = Played({0: [("good",)], 1: [slow], 2: [GOOD]}, interrupt_at(3))
    runner, queue = runner_of(tmp_path, scheduler, cells=2)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    assert runner.open == 1
    assert JobRecords(queue.folder).given(CELLS[1].key) is not None
    heard = Heard()
    again, queue = runner_of(tmp_path, scheduler, heard)  # of a file that has gained a cell
    again.run()
    assert scheduler.arrays == [[CELLS[0].key, CELLS[1].key], [CELLS[2].key]]
    assert states(queue) == ["finished"] * 3
    assert attempts(queue) == [0, 1, 2], "the attempt that was left is the one that ended"
    assert "started seed 0" not in heard.events


def test_a_job_that_ended_while_nobody_looked_is_not_run_again(tmp_path: Path) -> None:
    scheduler = Played({0: [("RUNNING", "good")]}, interrupt_at(2))
    runner, _ = runner_of(tmp_path, scheduler, cells=1)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    scheduler.states(["1_0"])  # it ends
    again, queue = runner_of(tmp_path, scheduler, cells=1)
    again.run()
    assert states(queue) == ["finished"]
    assert len(scheduler.arrays) == 1


@pytest.mark.parametrize("begun", [True, False])
def test_a_job_whose_name_was_not_noted_is_found_or_shut_out(tmp_path: Path, begun: bool) -> None:
    """The command was killed between sbatch and its note: the job, if there is one, has begun or will see its token."""
    queue = Queue(CELLS[:1], tmp_path, "mine")
    queue.enrol()
    taken = queue.take()
    assert taken is not None
    queue.leave(taken)
    key, records = CELLS[0].key, JobRecords(queue.folder)
    records.give(key, JobRecord("old"))
    scheduler = Played({0: [GOOD]})
    if begun:
        records.begin(key, JobRecord("old", "7_0"))
        order = CellOrder(key, "old", queue.folder, tmp_path, (), tmp_path / "log", {}, 60.0)
        scheduler._jobs["7_0"] = (order, ["RUNNING", "good"])
    runner, queue = runner_of(tmp_path, scheduler, cells=1)
    runner.run()
    assert states(queue) == ["finished"]
    assert len(scheduler.arrays) == (0 if begun else 1)
    assert attempts(queue) == [0 if begun else 1]


def test_two_do_not_follow_at_once(tmp_path: Path) -> None:
    lock = tmp_path / ".sweep-mine" / "jobs.lock"
    runner, queue = runner_of(tmp_path, Played({0: [GOOD]}), cells=1)
    with held_elsewhere(lock) as other:
        with pytest.raises(AlignbenchError, match="another process follows the jobs of"):
            runner.run()
        kill(other)
    runner.run()
    assert states(queue) == ["finished"]


def test_a_cell_that_runs_on_this_machine_is_waited_for(tmp_path: Path) -> None:
    heard = Heard()
    runner, queue = runner_of(tmp_path, Played({0: [GOOD], 1: [GOOD]}), heard, 2)
    with held_elsewhere(queue.folder / "locks" / f"{CELLS[0].key}.lock") as other:
        thread = threading.Thread(target=runner.run)
        thread.start()
        while "finished seed 1 in 7" not in heard.events or not heard.waiting:
            thread.join(0.01)
        assert "started seed 0" not in heard.events
        kill(other)
        thread.join(PATIENCE)
    assert states(queue) == ["finished", "finished"]


def test_cells_that_are_refused_wait(tmp_path: Path) -> None:
    scheduler = Played({0: [GOOD]})
    scheduler.refuses = True
    runner, queue = runner_of(tmp_path, scheduler, cells=1)
    with pytest.raises(AlignbenchError, match="sbatch refused"):
        runner.run()
    assert states(queue) == ["waiting"]
    assert JobRecords(queue.folder).keys() == set()


def test_a_silent_scheduler_settles_nothing(tmp_path: Path) -> None:
    def at(asked: int) -> None:
        scheduler.silent = 1 < asked < 4

    scheduler = Played({0: [("RUNNING", "RUNNING", "good")]}, at)
    runner, queue = runner_of(tmp_path, scheduler, cells=1)
    runner.run()
    assert states(queue) == ["finished"]
    assert len(scheduler.arrays) == 1


def test_jobs_of_which_the_scheduler_says_nothing_are_not_taken_up(tmp_path: Path) -> None:
    scheduler = Played({0: [GOOD]}, interrupt_at(1))
    with pytest.raises(KeyboardInterrupt):
        runner_of(tmp_path, scheduler, cells=1)[0].run()
    scheduler.silent = True
    with pytest.raises(AlignbenchError, match="squeue failed"):
        runner_of(tmp_path, scheduler, cells=1)[0].run()
    scheduler.silent = False
    runner, queue = runner_of(tmp_path, scheduler, cells=1)
    runner.run()
    assert states(queue) == ["finished"]
    assert len(scheduler.arrays) == 1
