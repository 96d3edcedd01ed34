"""What a run tells whoever watches it: the command line shows it, the library alone stays silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STAGES: Final = {  # of a run, as they are shown
    "launch": "starting",
    "data": "reading the data set",
    "model": "loading the model",
    "batch": "looking for the fastest batch size",
    "extract": "preparing the pictures",
    "check": "checking the precision",
    "score": "scoring",
}


@dataclass(frozen=True)
class RunSummary:
    """A run before it starts.

    Attributes:
        label: Label of the model.
        dataset: Its name.
        images: Distinct images.
        pairs: Pairs of them.
        layers: Layers of the model.
        passes: How often every image is embedded, so that features fit memory.
        device: `cpu` or `cuda`.
        ranks: Processes that share the work.
        share: Images that this one embeds in a pass, and will hear of.
        one_pass: Bytes of feature memory with which one pass would do.
    """

    label: str
    dataset: str
    images: int
    pairs: int
    layers: int = 1
    passes: int = 1
    device: str = "cpu"
    ranks: int = 1
    share: int = 0
    one_pass: int = 0


class EmbeddingListener:
    """Hears how far the embedding of pictures is; this one ignores it all."""

    def started(self, total: int) -> None:
        """So many pictures are about to be embedded."""

    def advanced(self, images: int) -> None:
        """Some more have been embedded."""


class ProgressListener:
    """Hears of a run's progress; this one ignores it all."""

    def began(self, stage: str) -> None:
        """A stage begins, one of `STAGES`."""

    def ended(self) -> None:
        """That stage is over, or failed."""

    def notice(self, text: str) -> None:
        """Something is about to take time, e.g. a download."""

    def planned(self, outline: RunSummary) -> None:
        """The work is known and about to start."""

    def advanced(self, images: int) -> None:
        """Some more images went through."""

    def finished(self) -> None:
        """The last image went through, or the run stopped."""
