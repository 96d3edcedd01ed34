"""Pictures of which one cannot be decoded."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from alignbench.errors import DataError
from scenery import Scenery


@dataclass(frozen=True)
class DamagedScenery(Scenery):
    """Scenery whose picture at an index is damaged."""

    damaged: int = 0

    def open(self, index: int) -> Image.Image:
        if index == self.damaged:
            raise DataError(f"{self.names[index]} cannot be decoded")
        return super().open(index)
