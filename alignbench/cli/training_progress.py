"""Progress of a student's training on stderr: steps, pictures a second, the loss, and what the first step tells."""

from __future__ import annotations

import math
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.validation import COLUMNS as VALIDATION
from alignbench.cli.console import print_status

_BETWEEN_WORDS = 60.0  # seconds between two lines of a log file


class TrainingProgress(TrainingListener):
    """A bar on a terminal; elsewhere a line about once a minute."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.progress: Progress | None = None
        self._steps, self._pictures, self._said, self._done = 0, 0, 0.0, 0

    def __enter__(self) -> TrainingProgress:
        """Nothing is shown yet."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Show nothing more."""
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def started(self, done: int, steps: int, pictures: int) -> None:
        """Say from where training goes on, and start the bar."""
        self._steps, self._pictures, self._done, self._said = steps, pictures, done, time.monotonic()
        if done:
            print_status(f"{done:,} of {steps:,} steps had been made before this was stopped: it goes on from there")
        if self.console.is_terminal:
            columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.progress = Progress(
                *columns, TextColumn("{task.fields[seen]}"), console=self.console, transient=True, redirect_stdout=False
            )
            self.progress.start()
            self.progress.add_task("training", total=steps, completed=done, seen="")

    def advanced(self) -> None:
        """Move the bar."""
        self._done += 1
        if self.progress is not None:
            self.progress.advance(self.progress.task_ids[0])

    def logged(self, row: dict[str, float]) -> None:
        """Show the loss, and what held-out triplets say."""
        if VALIDATION[0] in row:
            loss, agreement = (row[name] for name in VALIDATION)
            print_status(
                f"step {row['step']:,.0f} of {self._steps:,}, held-out triplets: loss {loss:.4g}, agreement with the "
                f"teacher {agreement:.3f}"
            )
        rate = row["pictures_per_second"]
        seen = f"loss {row['loss']:.4g}, agreement with the teacher {row['teacher_agreement']:.3f}, {rate:.0f} images/s"
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], seen=seen)
        elif time.monotonic() - self._said > _BETWEEN_WORDS or self._done == self._steps:
            self._said = time.monotonic()
            minutes = (self._steps - self._done) * self._pictures / rate / 60
            left = f", about {minutes:.1f} minutes to go" if self._done < self._steps else ""
            print_status(f"step {self._done:,} of {self._steps:,}: {seen}{left}")

    def first_step(self, seen: dict[str, float]) -> None:
        """Say what the targets and gradients are like."""
        print_status(
            f"first step: entropy of the teacher's targets {seen['target_entropy']:.4f} of {math.log(3):.4f} nats, "
            f"norm of the gradient {seen['gradient_norm']:.3g}"
        )

    def kept(self, step: int) -> None:
        """Say that nothing is lost."""
        print_status(f"step {step:,} of {self._steps:,} is kept: the same command goes on from there")
