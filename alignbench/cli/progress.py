"""Progress on stderr: how many images went through, what is learned, which cells run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

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
    TimeRemainingColumn,
)
from rich.text import Text

from alignbench.cli.console import print_status
from alignbench.extraction.progress import EmbeddingListener, ProgressListener, RunSummary
from alignbench.models.layer_names import counted_layers
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.process import last_line
from alignbench.sweeps.runner import Watcher
from alignbench.transforms.learning.progress import LearningListener

if TYPE_CHECKING:
    from alignbench.transforms.learning.layers import LearnedLayer
    from alignbench.transforms.learning.search import Trial

_FIRST_WORD_AFTER = 5.0  # seconds until a log file hears of the time to go


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f} images/s" if task.speed else "")


class ImageProgress(EmbeddingListener):
    """How many images went through: a bar on a terminal, elsewhere one line with the time to go."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.progress: Progress | None = None
        self.total = self.done = 0
        self.start = 0.0
        self.said = False

    def started(self, total: int) -> None:
        """So many images are about to go through."""
        self.total, self.done, self.start, self.said = total, 0, time.monotonic(), False
        if self.console.is_terminal:
            columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
            self.progress = Progress(*columns, console=self.console, transient=True)
            self.progress.start()
            self.progress.add_task("embedding", total=self.total)

    def advanced(self, images: int) -> None:
        """Move the bar, or say once how long it will take."""
        self.done += images
        if self.progress is not None:
            self.progress.advance(self.progress.task_ids[0], images)
            return
        elapsed = time.monotonic() - self.start
        if not self.said and elapsed > _FIRST_WORD_AFTER and self.done < self.total:
            self.said = True
            rate = self.done / elapsed
            print_status(f"{rate:.1f} images/s, about {(self.total - self.done) / rate / 60:.1f} minutes to go")

    def finished(self) -> None:
        """Take the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


class ConsoleListener(ProgressListener):
    """Says on stderr what a run is about to do, and how far it is."""

    def __init__(self) -> None:
        self.images = ImageProgress()

    def notice(self, text: str) -> None:
        """Say it on stderr."""
        print_status(text)

    def planned(self, outline: RunSummary) -> None:
        """Say what is about to be done, and start the bar."""
        passes = f"{outline.passes} pass" + ("es" if outline.passes > 1 else "")
        ranks = f" x {outline.ranks}" if outline.ranks > 1 else ""
        self.notice(
            f"{outline.label} on {outline.dataset}: {outline.images:,} images, {outline.pairs:,} pairs, "
            f"{counted_layers(outline.layers)}, {passes}, {outline.device}{ranks}"
        )
        if outline.passes > 1:
            self.notice(
                f"features do not fit --feature-memory: every image is embedded {outline.passes} times "
                f"({outline.passes * outline.images:,} in all); {outline.one_pass / 1e9:.1f}GB would do it in one pass"
            )
        self.images.started(outline.share * outline.passes)

    def advanced(self, images: int) -> None:
        """Move the bar."""
        self.images.advanced(images)

    def finished(self) -> None:
        """Take the bar away."""
        self.images.finished()


class LearningProgress(LearningListener):
    """Says on stderr what is being done."""

    def __init__(self) -> None:
        self.images = ImageProgress()

    def __enter__(self) -> LearningProgress:
        """Nothing is shown yet."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Take the bar away."""
        self.images.finished()

    def planned(self, text: str, images: int) -> None:
        """Say what is about to be embedded, and start the bar."""
        print_status(text)
        self.images.started(images)

    def embedded(self, images: int) -> None:
        """Move the bar."""
        self.images.advanced(images)

    def learning(self, text: str) -> None:
        """Take the bar away, and say what is learned."""
        self.images.finished()
        print_status(text)

    def tried(self, layer: str, tried: Trial) -> None:
        """Say what a trial gave."""
        loss = "failed" if tried.loss is None else f"held-out loss {tried.loss:.4f}"
        values = (
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in tried.parameters.items()
        )
        print_status(f"{layer}, trial {tried.number}: {loss} ({', '.join(values)})")

    def learned(self, layer: LearnedLayer) -> None:
        """Say what a layer gained."""
        before, after = layer.judged.before[0], layer.judged.after[0]
        print_status(f"{layer.layer}: odd-one-out {before:.3f} -> {after:.3f} on held-out objects")


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
        self._cells, self._done, self._waits, self._lock = cells, finished, 0, Lock()
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


class _LastLine(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(last_line(task.fields["log"])[:100], no_wrap=True, overflow="ellipsis", style="dim")


def _failed(cell: SweepCell, error: str, log: Path) -> str:
    return f"failed: {cell.name}: {error} ({log})"


def _waiting(cells: int) -> str:
    return f"waiting for {cells} cell{'s' * (cells > 1)} that run{'s' * (cells == 1)} in another process"
