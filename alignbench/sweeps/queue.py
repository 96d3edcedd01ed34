"""Which cell is next: decided by one process at a time, from the run folders, the ledger and the locks.

All processes are on one machine, because a lock of the kernel may mean nothing on another. A cell that a job of a
scheduler has is held by the process that follows the job (`array_runner`), and by the job's record while none does.

The run folders say what is finished, a cell's lock says who runs it, and the ledger says what was tried. So a cell that
runs according to the ledger, and that nobody holds, was interrupted; and one whose run folder is gone is not finished.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alignbench.files.locks import Lock
from alignbench.files.scratch import clear_scratch
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.ledger import Attempt, Ledger
from alignbench.sweeps.locks import Locks
from alignbench.sweeps.process import is_whole

State = Literal["finished", "failed", "running", "elsewhere", "waiting"]


@dataclass(frozen=True)
class CellStatus:
    """How it stands with a cell.

    Attributes:
        cell: The cell.
        state: How it stands; a cell runs, here or elsewhere (in another process), while someone holds its lock, and
            waits again when it was interrupted.
        attempt: The last attempt at it, if there was one.
    """

    cell: SweepCell
    state: State
    attempt: Attempt | None


@dataclass(frozen=True)
class Claim:
    """A cell that this process is to run, or to see run.

    Attributes:
        cell: The cell.
        trial: Number of this attempt in the ledger.
        lock: Lock of the cell, held until its end is recorded; its process is to inherit it.
    """

    cell: SweepCell
    trial: int
    lock: Lock


class Queue:
    """The cells of a sweep, as they wait, run and end in an output folder.

    Args:
        cells: Cells of the sweep file; others that the ledger knows are left alone.
        output: Folder of run folders.
        name: Name of the sweep; its ledger, locks and logs are in `.sweep-NAME` in the output folder.

    Raises:
        DataError: If the ledger cannot be read or is of another version; every method may find so, as the next two.
        AlignbenchError: If the file system of the output folder has no locks.
        OSError: If the output folder cannot be used.
    """

    def __init__(self, cells: Sequence[SweepCell], output: Path, name: str) -> None:
        self.cells, self.output, self.name = tuple(cells), output, name
        self.folder = output / f".sweep-{name}"
        self._locks = Locks(self.folder / "locks")
        self._ledger = Ledger(self.folder / "journal.log")

    def standings(self) -> list[CellStatus]:
        """How it stands with every cell."""
        with self._locks.turn():
            attempts = self._ledger.attempts()
            return [CellStatus(cell, self._state(cell, attempt), attempt) for cell, attempt in self._each(attempts)]

    def enrol(self) -> None:
        """Have every cell wait that is neither finished nor being run; one that failed is tried again."""
        with self._locks.turn():
            for cell, attempt in self._each(self._ledger.attempts()):
                if self._state(cell, attempt) in ("waiting", "failed"):
                    self._waiting_trial(cell, attempt)

    def take(self, besides: Collection[str] = ()) -> Claim | None:
        """The next cell that waits, for this process to run; none if none does now.

        Args:
            besides: Keys of cells that are not to be taken.
        """
        with self._locks.turn():
            for cell, attempt in self._each(self._ledger.attempts()):
                waits = cell.key not in besides and self._state(cell, attempt) == "waiting"
                taken = self._take(cell, attempt) if waits else None
                if taken is not None:
                    return taken
        return None

    def take_up(self, cell: SweepCell) -> Claim | None:
        """Take a cell that still runs, in a job that outlived the process that had taken it; none if it does not."""
        with self._locks.turn():
            attempt = self._ledger.attempts().get(cell.key)
            if attempt is None or attempt.state != "running":
                return None
            lock = self._locks.take(cell.key)
            return None if lock is None else Claim(cell, attempt.trial, lock)

    def leave(self, taken: Claim) -> None:
        """Give a cell's lock back while its job goes on."""
        with self._locks.turn():
            self._locks.release(taken.cell.key)

    def _take(self, cell: SweepCell, attempt: Attempt | None) -> Claim | None:
        """Take a cell that waits, with its lock; none if something that is no sweep has just locked it."""
        lock = self._locks.take(cell.key)
        if lock is None:
            return None
        trial = self._waiting_trial(cell, attempt)
        if self._ledger.start(trial):
            return Claim(cell, trial, lock)
        self._locks.release(cell.key)
        return None

    def finish(self, taken: Claim, folders: tuple[str, ...], seconds: float) -> None:
        """Record that a cell left these run folders, and give its lock back."""
        with self._locks.turn():  # or someone could see the cell as it was, and its lock as it is
            self._ledger.finish(taken.trial, folders, seconds)
            self._locks.release(taken.cell.key)

    def fail(self, taken: Claim, error: str) -> None:
        """Record that a cell failed; it is not tried again until someone enrols it."""
        clear_scratch(self.output)
        with self._locks.turn():
            self._ledger.fail(taken.trial, error)
            self._locks.release(taken.cell.key)

    def put_back(self, taken: Claim) -> None:
        """Record that a cell was ended before its time, so that it waits again."""
        clear_scratch(self.output)
        with self._locks.turn():
            self._ledger.interrupt(taken.trial)
            self._locks.release(taken.cell.key)

    def _each(self, attempts: dict[str, Attempt]) -> list[tuple[SweepCell, Attempt | None]]:
        """Every cell of the file with the last attempt at it."""
        return [(cell, attempts.get(cell.key)) for cell in self.cells]

    def _state(self, cell: SweepCell, attempt: Attempt | None) -> State:
        if attempt is not None and attempt.state == "failed":
            return "failed"
        if attempt is not None and attempt.state == "finished":
            return "finished" if all(is_whole(self.output / name) for name in attempt.folders) else "waiting"
        if not self._locks.is_held(cell.key):
            return "waiting"
        return "running" if self._locks.is_own(cell.key) else "elsewhere"

    def _waiting_trial(self, cell: SweepCell, attempt: Attempt | None) -> int:
        """The trial by which a cell waits that nobody runs: the last one if it does, or else a new one."""
        if attempt is not None and attempt.state == "waiting":
            return attempt.trial
        if attempt is not None and attempt.state == "running":
            self._ledger.interrupt(attempt.trial)
        return self._ledger.enqueue(cell)
