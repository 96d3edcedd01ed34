"""What `alignbench transform learn` says on stderr while it works."""

from __future__ import annotations

from alignbench.cli.show import ImageProgress, say
from alignbench.transforms.learning.layers import LearnedLayer
from alignbench.transforms.learning.run import JobListener
from alignbench.transforms.learning.search import Tried


class LearningProgress(JobListener):
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
        say(text)
        self.images.started(images)

    def embedded(self, images: int) -> None:
        """Move the bar."""
        self.images.advanced(images)

    def learning(self, text: str) -> None:
        """Take the bar away, and say what is learned."""
        self.images.finished()
        say(text)

    def tried(self, layer: str, tried: Tried) -> None:
        """Say what a trial gave."""
        loss = "failed" if tried.loss is None else f"held-out loss {tried.loss:.4f}"
        values = (
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in tried.parameters.items()
        )
        say(f"{layer}, trial {tried.number}: {loss} ({', '.join(values)})")

    def learned(self, layer: LearnedLayer) -> None:
        """Say what a layer gained."""
        before, after = layer.judged.before[0], layer.judged.after[0]
        say(f"{layer.layer}: odd-one-out {before:.3f} -> {after:.3f} on held-out objects")
