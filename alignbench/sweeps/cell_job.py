"""A cell as a job of a scheduler: what submitit runs on a machine of the cluster, in the place of a worker.

Nothing but the records of `job_records` says how it went. What submitit pickles is never read again but by the job.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.sweeps.job_records import JobEnd, JobRecord, JobRecords
from alignbench.sweeps.process import CellProcess

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

SIGNAL_DELAY: Final = 90  # seconds before its time limit at which a job is warned
_EARLY: Final = 120.0  # Slurm may warn a minute earlier, and knows the job a moment longer than it knows itself
_TICK: Final = 0.2  # seconds between looks at the process
_MOMENT: Final = 1.0  # seconds within which a signal that ended the process comes here too
_UNTIL_ENDED: Final = 60.0  # seconds for which a job that was told to end waits to be put back or killed
_WARNINGS: Final = (signal.SIGUSR1, signal.SIGUSR2)  # of which submitit takes the latter, or what it is told to
_OF_THE_JOB: Final = ("SLURM_", "SUBMITIT_")  # variables that tell a run of ranks which are not there


@dataclass(frozen=True)
class CellOrder:
    """What a job is to do.

    Attributes:
        key: Key of the cell.
        token: Token of the submission.
        folder: Folder of the sweep.
        output: Folder of run folders, as the command has it.
        command: The command of the cell, word by word.
        log: File of the cell's log.
        variables: Environment variables that the command sets.
        seconds: Time limit of the job.
    """

    key: str
    token: str
    folder: Path
    output: Path
    command: tuple[str, ...]
    log: Path
    variables: Mapping[str, str]
    seconds: float


@contextmanager
def _holding_warnings() -> Iterator[None]:
    """Hold warnings back, which come to all of a step: a process started here inherits that it hears none.

    What came takes effect after the block. The mask is this thread's own: a warning may reach Python by another thread,
    and is then taken note of.
    """
    came: list[int] = []
    handlers = {number: handler for number in _WARNINGS if (handler := signal.getsignal(number)) is not None}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WARNINGS)
    for each in handlers:
        signal.signal(each, lambda heard, _: came.append(heard))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


class CellJob:
    """Runs a cell in a process of its own, unless the cell is not this job's any more.

    Args:
        order: What to do.
    """

    def __init__(self, order: CellOrder) -> None:
        self.order = order
        self._records = JobRecords(order.folder)
        self._child: CellProcess | None = None
        self._begun = time.monotonic()
        self._told = False

    def __call__(self) -> None:
        """Run the cell and record its end.

        Raises:
            AlignbenchError: If the records cannot be read or written.
        """
        from submitit import JobEnvironment

        self._begun = time.monotonic()
        self._records.begin(self.order.key, JobRecord(self.order.token, JobEnvironment().job_id))
        given = self._records.given(self.order.key)  # only now: who gives the cell away looks whether we have begun
        if given is None or given.token != self.order.token or self._ended():
            sys.stdout.write("the cell was given to another job, or has ended: nothing is done here\n")
            return
        signal.signal(signal.SIGTERM, self._hear)
        try:
            with _holding_warnings():
                self._child = CellProcess(self.order.command, self.order.log, self._environment())
        except OSError as error:
            self._end(error=f"its process cannot be started ({error.strerror})")
            return
        with self._child:
            self._follow(self._child)

    def checkpoint(self) -> DelayedSubmission | None:
        """End the process and say what is to be run when the job is queued again; nothing if its time is over.

        submitit calls this when Slurm warns the job, because it is preempted or reaches its time limit.
        """
        from submitit.helpers import DelayedSubmission

        if self._child is not None:
            self._child.stop()
        if time.monotonic() - self._begun + SIGNAL_DELAY + _EARLY < self.order.seconds:
            return DelayedSubmission(CellJob(self.order))
        self._end(error="its job reached its time limit: give it more --time")
        return None

    def _hear(self, *_: Any) -> None:
        """Take note that the job is to end; a signal to put it back into the queue may follow."""
        self._told = True

    def _follow(self, child: CellProcess) -> None:
        """Wait for the end of the process, and record it."""
        while not child.has_ended(_TICK):
            if self._told:
                child.stop()
        folders = child.folders(self.order.output)
        if folders:
            self._end(folders)
            return
        time.sleep(_MOMENT)
        if self._told:
            time.sleep(_UNTIL_ENDED)
            self._end(interrupted=True)
        else:
            self._end(error=child.error())

    def _environment(self) -> dict[str, str]:
        """Environment of the process: a run with several ranks starts them itself, as on any machine."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_JOB)}
        return own | dict(self.order.variables)

    def _ended(self) -> bool:
        return self._records.ended(self.order.key, self.order.token) is not None

    def _end(self, folders: tuple[str, ...] = (), error: str = "", interrupted: bool = False) -> None:
        if not self._ended():  # the first word counts: a signal may come while it is written
            seconds = time.monotonic() - self._begun
            self._records.end(self.order.key, JobEnd(self.order.token, folders, error, seconds, interrupted))
