"""What a run must know of a kind of source before anything is loaded, and how it looks at pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.extraction.source import Source
    from alignbench.transforms.named import NamedTransform


@dataclass(frozen=True)
class SourceView:
    """How a source looks at pictures.

    Attributes:
        distance: Names of its distances.
        tokens: Token view; none for a source without tokens.
        resize: How pictures are brought to their size, or that size in pixels.
        precision: Precision in which it works.
    """

    distance: tuple[str, ...]
    tokens: str | None
    resize: str | int
    precision: str


@dataclass(frozen=True)
class SourceNotes:
    """What the record of a run tells of a source, and can change no number.

    Attributes:
        projection: What its projection is, in words; empty where it has none.
        trained_on: What has to be said of its scores since it was trained on such data; empty if nothing.
    """

    projection: str = ""
    trained_on: str = ""


class SourceKind(Protocol):
    """A kind of source, before anything is loaded: all that a run must know of it by then."""

    def check(self, cell: Cell) -> None:
        """Refuse a model that cannot exist, before the data are looked at.

        Raises:
            UsageError: If there is no such model.
            ModelError: If a file that its name stands for is not there.
        """

    def processes(self, cell: Cell) -> tuple[int, int]:
        """How many processes a machine, and how many machines, share the work."""

    def has_channel_means(self, cell: Cell) -> bool:
        """Whether anything is normalised by m[c]."""

    def preparation(self, cell: Cell) -> Callable[[Image.Image], Tensor]:
        """How pictures are prepared, without weights."""

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        """The source, ready to be asked."""

    def checks_precision(self, cell: Cell) -> bool:
        """Whether scores are also taken in float32, to tell what a low precision changes."""

    def view(self, cell: Cell, source: Source) -> SourceView:
        """How a loaded source looks at pictures: what of that can change a number."""

    def notes(self, cell: Cell, source: Source) -> SourceNotes:
        """What the record of a run tells of a loaded source beside its view."""
