"""Runs the cells of a queue as jobs of a scheduler: this process alone gives them away and keeps the ledger.

It may be left at any time. The jobs go on, and the next one of its kind finds them by their records and follows them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from secrets import token_hex
from threading import Event
from typing import Final, Protocol

from alignbench.errors import AlignbenchError
from alignbench.files.locks import Lock
from alignbench.sweeps.cell_job import CellJob, CellOrder
from alignbench.sweeps.job_records import JobEnd, JobRecord, JobRecords
from alignbench.sweeps.queue import Claim, Queue, State
from alignbench.sweeps.runner import Start, Watcher

_POLL: Final = 10.0  # seconds between questions to the scheduler
_GRACE: Final = 60.0  # seconds after a job is gone until its record is given up: a shared disk may show it late
_MOST: Final = 3  # times that a cell is given away anew whose job was lost
_WAITING: Final = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "CONFIGURING", "RESV_DEL_HOLD")
_GONE: Final = frozenset(
    {"", "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
    | {"REVOKED", "TIMEOUT"}
)
_LOST: Final = ("", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED")
_ENDED: Final[Mapping[str, str]] = {
    "TIMEOUT": "its job reached its time limit: give it more --time",
    "DEADLINE": "its job reached its deadline",
    "OUT_OF_MEMORY": "its job ran out of memory: Slurm gives more with more --cpus-per-cell on most clusters",
}


class Scheduler(Protocol):
    """Where jobs are queued, such as `slurm_jobs.Slurm`."""

    def submit(self, jobs: Sequence[CellJob]) -> list[str]:
        """Queue some jobs, and return the scheduler's name for each."""
        ...

    def states(self, jobs: Collection[str]) -> dict[str, str] | None:
        """The state of each job in Slurm's words; empty if nothing is known of it, none if there is no answer now."""
        ...

    def said(self, job: str) -> str:
        """What a job said last, and where."""
        ...


@dataclass(frozen=True)
class _Given:
    """A cell that a job has.

    Attributes:
        claim: The cell.
        record: Its submission.
        line: Its number among all that were given away, for the watcher.
        started: Whether the watcher has heard that it started.
        gone: Since when its job is gone, if so.
    """

    claim: Claim
    record: JobRecord
    line: int
    started: bool = False
    gone: float | None = None


class ArrayRunner:
    """Gives the cells of a queue to a scheduler and follows them.

    Args:
        queue: The cells.
        scheduler: Where they go.
        start: How each is started; variables that are as in this process are left to the machine that runs it.
        minutes: Time limit of each.
        watcher: Hears of the progress.
    """

    def __init__(self, queue: Queue, scheduler: Scheduler, start: Start, minutes: int, watcher: Watcher) -> None:
        self._queue, self._scheduler, self._start, self._watcher = queue, scheduler, start, watcher
        self._seconds, self._records = 60.0 * minutes, JobRecords(queue.folder)
        self._given: dict[str, _Given] = {}
        self._lost: dict[str, int] = {}  # how often the jobs of a cell were
        self._cancelled: set[str] = set()
        self._lines = 0

    @property
    def open(self) -> int:
        """How many cells jobs have whose end is not known."""
        return len(self._given)

    def run(self) -> None:
        """Follow the jobs that there are, give away what nobody runs, and go on until nothing is left to wait for.

        A cell whose job was cancelled waits and is not given away again here. When this is interrupted, the jobs go on.

        Raises:
            DataError: If the ledger or a record cannot be read.
            AlignbenchError: If another process follows the jobs, or the scheduler refuses some or does not answer.
            OSError: If the output folder cannot be used any more.
        """
        with self._alone():
            try:
                self._take_up()
                self._queue.enrol()
                while self._round():
                    Event().wait(_POLL)
            finally:
                for given in self._given.values():
                    self._queue.leave(given.claim)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only process that follows the jobs of this sweep."""
        try:
            lock = Lock(self._queue.folder / "jobs.lock")
        except BlockingIOError:
            raise AlignbenchError(
                f"another process follows the jobs of {self._queue.folder}: leave it to that one, or end it first"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _take_up(self) -> None:
        """Take up the cells that jobs have of which an earlier process left the records."""
        known = self._records.keys()
        for cell in self._queue.cells:
            record = self._records.given(cell.key) if cell.key in known else None
            if record is None:
                continue
            found = self._known(cell.key, record)
            claim = self._queue.take_up(cell) if found is not None else None
            if found is None or claim is None:  # no job has it, or its end is in the ledger
                self._records.drop(cell.key)
            else:
                self._follow(claim, found)
        if self._given and self._scheduler.states([given.record.job for given in self._given.values()]) is None:
            raise AlignbenchError("Slurm does not say which jobs it has (squeue failed): try again when it answers")

    def _known(self, key: str, record: JobRecord) -> JobRecord | None:
        """A submission with the name of its job; none if the process was ended before the job was known to it.

        Such a job may be queued all the same. It looks at its token after it has said that it begins, and here the
        token is taken away before that is looked for: so it either leaves the cell alone, or is found.
        """
        if record.job:
            return record
        self._records.give(key, JobRecord(token_hex(8)))
        begun = self._records.begun(key)
        if begun is None or begun.token != record.token:
            return None
        self._records.give(key, begun)
        return begun

    def _follow(self, claim: Claim, record: JobRecord) -> None:
        self._given[claim.cell.key] = _Given(claim, record, self._lines)
        self._lines += 1

    def _round(self) -> bool:
        """Give away what waits and look at every job; whether there is anything left to wait for."""
        self._submit()
        self._look()
        states = self._states()
        elsewhere = sum(state == "elsewhere" for state in states.values())
        waiting = {key for key, state in states.items() if state == "waiting"} - self._cancelled
        if elsewhere and not self._given:
            self._watcher.waits(elsewhere)
        return bool(self._given or elsewhere or waiting)

    def _states(self) -> dict[str, State]:
        """The state of each cell, once the watcher has heard how many are settled."""
        states = {standing.cell.key: standing.state for standing in self._queue.standings()}
        self._watcher.settled(sum(state in ("finished", "failed") for state in states.values()))
        return states

    def _submit(self) -> None:
        """Give away every cell that waits, as one array."""
        claims = []
        while (claim := self._queue.take(self._cancelled)) is not None:
            claims.append(claim)
        if not claims:
            return
        orders = [self._order(claim) for claim in claims]
        for order in orders:
            self._records.give(order.key, JobRecord(order.token))
        try:
            names = self._scheduler.submit([CellJob(order) for order in orders])
        except AlignbenchError:
            for claim in claims:
                self._queue.put_back(claim)
                self._records.drop(claim.cell.key)
            raise
        for claim, order, name in zip(claims, orders, names, strict=True):
            record = JobRecord(order.token, name)
            self._records.give(order.key, record)
            self._follow(claim, record)

    def _order(self, claim: Claim) -> CellOrder:
        cell, folder, environment = claim.cell, self._queue.folder.absolute(), self._start.environment
        command = (*self._start.command, *cell.arguments, *self._start.options)
        variables = {name: value for name, value in environment.items() if os.environ.get(name) != value}
        log = folder / cell.log
        return CellOrder(cell.key, token_hex(8), folder, self._queue.output, command, log, variables, self._seconds)

    def _look(self) -> None:
        """Look at every job, and settle what has ended."""
        states = self._scheduler.states([given.record.job for given in self._given.values()]) if self._given else {}
        if states is None:
            return
        for key, given in list(self._given.items()):
            self._see(key, given, states.get(given.record.job, ""))
        pending = sum(not given.started for given in self._given.values())
        self._watcher.queued(pending)

    def _see(self, key: str, given: _Given, state: str) -> None:
        """Take note of the state of a job, and of what it has recorded."""
        cell, log = given.claim.cell, self._queue.folder / given.claim.cell.log
        end = self._records.ended(key, given.record.token)
        ended = end is not None and not end.interrupted
        running = ended or (state not in _WAITING and state not in _GONE)
        if running and not given.started:
            self._watcher.started(given.line, cell, log)
        elif given.started and state in _WAITING:
            self._watcher.put_back(given.line, cell)
        started = running or (given.started and state not in _WAITING)
        gone = (given.gone or time.monotonic()) if state in _GONE else None
        self._given[key] = given = replace(given, started=started, gone=gone)
        if end is not None and ended:
            self._settle(given, end)
        elif gone is not None and (end is not None or time.monotonic() - gone >= _GRACE):
            self._give_up(given, "" if end is not None and state != "CANCELLED" else state)

    def _settle(self, given: _Given, end: JobEnd) -> None:
        """Record how a cell ended, as its job tells."""
        claim = given.claim
        if end.folders:
            self._queue.finish(claim, end.folders, end.seconds)
            self._forget(given)
            self._states()
            self._watcher.finished(given.line, claim.cell, end.seconds)
        else:
            self._fail(given, end.error)

    def _give_up(self, given: _Given, state: str) -> None:
        """Record what becomes of a cell whose job is gone without a word, by its last state."""
        key, job = given.claim.cell.key, given.record.job
        if state == "CANCELLED":
            self._cancelled.add(key)
        elif state in _LOST and self._lost.get(key, 0) < _MOST:
            self._lost[key] = self._lost.get(key, 0) + 1
        else:
            lost = f"its job was lost {_MOST + 1} times, in the end"
            how = lost if state in _LOST else f"its job ended as {state} before it told how:"
            self._fail(given, _ENDED.get(state) or f"{how} {self._scheduler.said(job)}")
            return
        self._queue.put_back(given.claim)
        self._forget(given)
        self._watcher.put_back(given.line, given.claim.cell)

    def _fail(self, given: _Given, error: str) -> None:
        cell = given.claim.cell
        self._queue.fail(given.claim, error)
        self._forget(given)
        self._states()
        self._watcher.failed(given.line, cell, error, self._queue.folder / cell.log)

    def _forget(self, given: _Given) -> None:
        """Forget a cell's job, once the ledger knows its end."""
        key = given.claim.cell.key
        del self._given[key]
        self._records.drop(key)
