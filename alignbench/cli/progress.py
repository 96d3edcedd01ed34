"""Progress on stderr: what is being done, how many images went through, what is learned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from alignbench.cli.console import print_status
from alignbench.cli.working import sign
from alignbench.extraction.progress import STAGES, EmbeddingListener, ProgressListener, RunSummary
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
        self.sign = sign("")

    def began(self, stage: str) -> None:
        """Show what is being done."""
        self.sign = sign(STAGES.get(stage, stage))
        self.sign.start()

    def ended(self) -> None:
        """Show nothing more."""
        self.sign.stop()

    def notice(self, text: str) -> None:
        """Say it on stderr; if it tells of a download, that shows its own progress."""
        self.sign.stop()
        print_status(text)

    def planned(self, outline: RunSummary) -> None:
        """Say what is about to be done, and start the bar."""
        from alignbench.models.layer_names import counted_layers

        self.sign.stop()
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
        self.sign = sign("computing")

    def __enter__(self) -> LearningProgress:
        """Nothing is shown yet."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Show nothing more."""
        self.stop()

    def stop(self) -> None:
        """Take the bar away, or what stands in its place."""
        self.images.finished()
        self.sign.stop()

    def planned(self, text: str, images: int) -> None:
        """Say what is about to be embedded, and start the bar."""
        print_status(text)
        self.images.started(images)

    def embedded(self, images: int) -> None:
        """Move the bar; after the last picture, show that there is more to be done."""
        self.images.advanced(images)
        if self.images.done >= self.images.total:
            self.images.finished()
            self.sign.start()

    def targets(self, fold: int, folds: int, triplets: int) -> None:
        """Say of which triplets probabilities are made."""
        self.sign.start()
        print_status(f"targets of fold {fold + 1} of {folds}, from {triplets:,} triplets")

    def learning(self, text: str) -> None:
        """Say what is learned."""
        self.images.finished()
        self.sign.start()
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
