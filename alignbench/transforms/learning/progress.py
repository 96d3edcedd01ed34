"""What learning tells whoever watches it: the command line shows it, the library alone stays silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alignbench.transforms.learning.layers import LearnedLayer
    from alignbench.transforms.learning.search import Trial


class LearningListener:
    """Hears how far learning or judging is; this one ignores it all."""

    def planned(self, text: str, images: int) -> None:
        """So many pictures are about to be embedded."""

    def embedded(self, images: int) -> None:
        """Some more pictures were embedded."""

    def targets(self, fold: int, folds: int, triplets: int) -> None:
        """Probabilities of choices are about to be made from the triplets that train a fold."""

    def learning(self, text: str) -> None:
        """Pictures are done, and learning begins."""

    def tried(self, layer: str, tried: Trial) -> None:
        """A trial of the search ended."""

    def learned(self, layer: LearnedLayer) -> None:
        """A layer is done."""
