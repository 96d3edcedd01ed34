"""A short job of learning on the small THINGS by a tower of mean colours, and a listener that remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.extraction.features import Reading, ReadyTower
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.learning.layers import LearnedLayer
from alignbench.transforms.learning.progress import LearningListener
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.run import LearningConfig, learn_transforms
from alignbench.transforms.learning.search import Trial
from pixel_tower import PixelTower


class Remembering(LearningListener):
    """Remembers what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def planned(self, text: str, images: int) -> None:
        self.told.append(("planned", text, images))

    def embedded(self, images: int) -> None:
        self.told.append(("embedded", images))

    def learning(self, text: str) -> None:
        self.told.append(("learning", text))

    def tried(self, layer: str, tried: Trial) -> None:
        self.told.append(("tried", layer, tried.number))

    def learned(self, layer: LearnedLayer) -> None:
        self.told.append(("learned", layer.layer))


def draw(frame: pd.DataFrame, folder: Path) -> None:
    for suffix in ("png", "svg"):
        (folder / f"ceiling.{suffix}").write_text(",".join(frame["layer"]))


def learn_things(
    root: Path, output: Path, listener: LearningListener | None = None, overwrite: bool = False, **options: Any
) -> tuple[Path, bool]:
    """Learns on two folds of ten objects, for one epoch."""
    recipe = Recipe("global", epochs=1, fewest_epochs=1)
    job = LearningConfig("things", root, layers=("all",), recipe=recipe, folds=2, pixel_cache="off")
    ready = ReadyTower(PixelTower(), "pixels", Reading(batch_size=4, workers=0))
    return learn_transforms(replace(job, **options), ready, Destination(output, draw, overwrite), listener)
