"""Runs the cells of a queue: so many workers, each of which has one cell at a time in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.process import CellProcess
from alignbench.sweeps.queue import Claim, Queue, State

_TICK: Final = 0.2  # seconds between looks at a process
_POLL: Final = 2.0  # seconds between looks at cells that run in another process
_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Watcher:
    """Hears of the progress of a sweep, from several threads; this one ignores it all."""

    def started(self, worker: int, cell: SweepCell, log: Path) -> None:
        """A worker has started a cell, whose process writes a log."""

    def finished(self, worker: int, cell: SweepCell, seconds: float) -> None:
        """A worker's cell has left its run folders."""

    def failed(self, worker: int, cell: SweepCell, error: str, log: Path) -> None:
        """A worker's cell has failed."""

    def put_back(self, worker: int, cell: SweepCell) -> None:
        """A worker's cell was ended before its time."""

    def settled(self, cells: int) -> None:
        """So many cells have finished or failed, here or in another process, now or before."""

    def waits(self, cells: int) -> None:
        """Nothing is left to start, and so many cells run in another process."""

    def queued(self, cells: int) -> None:
        """So many cells wait in the queue of a scheduler."""


@dataclass(frozen=True)
class Start:
    """How a cell is started.

    Attributes:
        command: Words that come before its arguments.
        options: Words that come after its arguments.
        environment: All environment variables of its process.
    """

    command: tuple[str, ...]
    options: tuple[str, ...]
    environment: Mapping[str, str]


class Runner:
    """Workers that run the cells of a queue.

    Args:
        queue: The cells.
        workers: How many run at the same time.
        start: How each cell is started.
        watcher: Hears of the progress.
    """

    def __init__(self, queue: Queue, workers: int, start: Start, watcher: Watcher) -> None:
        self._queue, self._workers, self._start, self._watcher = queue, workers, start, watcher
        self._stopping = Event()

    def run(self) -> None:
        """Run cells until none waits, and none runs in another process that may end before its cell does.

        When this is interrupted, the processes are ended and their cells wait again.

        Raises:
            DataError: If the ledger cannot be read any more.
            OSError: If the output folder cannot be used any more.
        """
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                work = [pool.submit(self._work, worker) for worker in range(self._workers)]
                wait(work, return_when=FIRST_EXCEPTION)
            finally:
                self.stop()
        for job in work:
            job.result()  # raises what ended it

    def stop(self) -> None:
        """Have the processes ended and their cells wait again; may be called from any thread."""
        self._stopping.set()

    def _work(self, worker: int) -> None:
        while not self._stopping.is_set():
            taken = self._queue.take()
            if taken is not None:
                self._run(worker, taken)
                continue
            states = self._states()
            if not {"waiting", "elsewhere"} & set(states):
                return
            if "elsewhere" in states:
                self._watcher.waits(states.count("elsewhere"))
            self._stopping.wait(_POLL)

    def _states(self) -> list[State]:
        """The state of each cell, once the watcher has heard how many are settled."""
        states = [standing.state for standing in self._queue.standings()]
        self._watcher.settled(states.count("finished") + states.count("failed"))
        return states

    def _run(self, worker: int, taken: Claim) -> None:
        """Run a cell to its end, and record that."""
        cell, log, begun = taken.cell, self._queue.folder / taken.cell.log, time.monotonic()
        command = [*self._start.command, *cell.arguments, *self._start.options]
        try:
            child = CellProcess(command, log, self._start.environment, (taken.lock.descriptor,))
        except OSError as error:
            self._fail(worker, taken, f"its process cannot be started ({error.strerror})", log)
            return
        with child:
            self._watcher.started(worker, cell, log)
            self._watch(child)
        seconds = time.monotonic() - begun
        folders = child.folders(self._queue.output)
        if child.stopped or (self._stopping.is_set() and not folders):  # a scheduler may tell it to end before we do
            self._queue.put_back(taken)
            self._watcher.put_back(worker, cell)
        elif folders:
            self._queue.finish(taken, folders, seconds)
            self._states()
            self._watcher.finished(worker, cell, seconds)
        else:
            self._fail(worker, taken, child.error(), log)

    def _fail(self, worker: int, taken: Claim, error: str, log: Path) -> None:
        """Record that a cell failed, and tell the watcher."""
        self._queue.fail(taken, error)
        self._states()
        self._watcher.failed(worker, taken.cell, error, log)

    def _watch(self, child: CellProcess) -> None:
        """Wait for the end of a cell's process; end it when all is to stop."""
        while not child.has_ended(_TICK):
            if self._stopping.is_set():
                child.stop()


def divided(environment: Mapping[str, str], share: int) -> dict[str, str]:
    """Make an environment in which libraries start no more threads than a share of the cores.

    Args:
        environment: Environment of this process; a smaller number of threads that it sets is kept.
        share: Number of cores for one worker.
    """
    variables = dict(environment)
    for name in _THREADS:
        given = variables.get(name, "")
        number = int(given) if given.isascii() and given.isdigit() else 0
        variables[name] = str(min(share, number) if number > 0 else share)
    return variables
