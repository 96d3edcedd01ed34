"""What a run tells whoever watches it: the command line shows it, the library alone stays silent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outline:
    """A run before it starts."""

    label: str
    dataset: str
    images: int
    pairs: int
    layers: int
    passes: int
    device: str


class Listener:
    """Hears of a run's progress; this one ignores it all."""

    def notice(self, text: str) -> None:
        """Something is about to take time, e.g. a download."""

    def planned(self, outline: Outline) -> None:
        """The work is known and about to start."""

    def advanced(self, images: int) -> None:
        """Some more images went through."""

    def finished(self) -> None:
        """The last image went through, or the run stopped."""
