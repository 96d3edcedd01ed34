"""Progress of a sweep on stderr: which cells run, how far each is, and what failed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.process import last_line
from alignbench.sweeps.runner import Watcher


@contextmanager
def progress(title: str, cells: int, finished: int, workers: int) -> Iterator[Watcher]:
    """Show how a sweep goes until it ends.

    Args:
        title: What is run.
        cells: How many there are.
        finished: How many of them were finished before.
        workers: How many run at the same time.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(title, cells, finished, workers)
        return
    display = Display(console, title, cells, finished)
    with Live(display.shown, console=console, refresh_per_second=4, transient=True):
        yield display


class Lines(Watcher):
    """Prints a line for each start and end of a cell."""

    def __init__(self, title: str, cells: int, finished: int, workers: int) -> None:
        self._cells, self._done, self._lock = cells, finished, Lock()
        self._waits = self._queued = 0
        self._say(f"{title}, {finished} finished before" + (f"; {workers} at a time" if finished < cells else ""))

    def started(self, worker: int, cell: SweepCell, log: Path) -> None:
        """Say which cell was started."""
        self._say(f"started: {cell.name}")

    def finished(self, worker: int, cell: SweepCell, seconds: float) -> None:
        """Say which cell has finished, and how many are done."""
        self._say(f"finished: {cell.name}, {seconds:.0f} s ({self._done} of {self._cells})")

    def failed(self, worker: int, cell: SweepCell, error: str, log: Path) -> None:
        """Say why a cell failed, and where to read more."""
        self._say(_failed(cell, error, log))

    def settled(self, cells: int) -> None:
        """Remember how many cells are settled."""
        self._done = cells

    def waits(self, cells: int) -> None:
        """Say how many cells run in another process, whenever that number changes."""
        with self._lock:
            if cells != self._waits:
                self._waits = cells
                self._say(_waiting(cells))

    def queued(self, cells: int) -> None:
        """Say how many cells wait in a scheduler's queue, whenever that number changes."""
        if cells != self._queued:
            self._queued = cells
            if cells:
                self._say(_in_queue(cells))

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")  # at once, since several workers speak
        sys.stderr.flush()


class Display(Watcher):
    """Shows a bar over all cells, and below it each worker's cell with its time and what its process said last."""

    def __init__(self, console: Console, title: str, cells: int, finished: int) -> None:
        self._console, self._title = console, title
        description = TextColumn("{task.description}", markup=False)
        self._all = Progress(description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._each = Progress(description, TimeElapsedColumn(), _LastLine())
        self._bar = self._all.add_task(title, total=cells, completed=finished)
        self._tasks: dict[int, TaskID] = {}
        self.shown = Group(self._all, self._each)

    def started(self, worker: int, cell: SweepCell, log: Path) -> None:
        """Add a line for the cell."""
        self._tasks[worker] = self._each.add_task(f"  {cell.name}", total=None, log=log)
        self._all.update(self._bar, description=self._title)

    def finished(self, worker: int, cell: SweepCell, seconds: float) -> None:
        """Take the cell's line away."""
        self.put_back(worker, cell)

    def failed(self, worker: int, cell: SweepCell, error: str, log: Path) -> None:
        """Say why above the display, where it stays."""
        self._console.print(Text(_failed(cell, error, log)), soft_wrap=True)
        self.put_back(worker, cell)

    def put_back(self, worker: int, cell: SweepCell) -> None:
        """Take the line away."""
        if worker in self._tasks:
            self._each.remove_task(self._tasks.pop(worker))

    def settled(self, cells: int) -> None:
        """Move the bar."""
        self._all.update(self._bar, completed=cells)

    def waits(self, cells: int) -> None:
        """Say beside the bar how many cells run in another process."""
        self._all.update(self._bar, description=f"{self._title}, {_waiting(cells)}")

    def queued(self, cells: int) -> None:
        """Say beside the bar how many cells wait in a scheduler's queue."""
        self._all.update(self._bar, description=f"{self._title}, {_in_queue(cells)}" if cells else self._title)


class _LastLine(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(last_line(task.fields["log"])[:100], no_wrap=True, overflow="ellipsis", style="dim")


def _failed(cell: SweepCell, error: str, log: Path) -> str:
    return f"failed: {cell.name}: {error} ({log})"


def _waiting(cells: int) -> str:
    return f"waiting for {cells} cell{'s' * (cells > 1)} that run{'s' * (cells == 1)} in another process"


def _in_queue(cells: int) -> str:
    return f"{cells} cell{'s' * (cells > 1)} in the queue of Slurm"
