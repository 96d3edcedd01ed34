"""Distances of pairs and runs of cells, with what tests vary about them, and pixels in NumPy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from alignbench import Cell
from alignbench.arrays import Floats, Indices
from alignbench.datasets.images import ImageSource
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.tower_distances import TowerSource
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.towers import Tower
from alignbench.results.run_folder import Run
from workloads import workload_of

MEMORY = 4_000_000_000


@dataclass
class CountedImages:
    """Pictures that count how often each is opened."""

    images: ImageSource
    opened: Counter[str] = field(default_factory=Counter)

    @property
    def names(self) -> Sequence[str]:
        return self.images.names

    def open(self, index: int) -> Image.Image:
        self.opened[self.names[index]] += 1
        return self.images.open(index)

    def select(self, indices: Indices) -> "CountedImages":
        return CountedImages(self.images.select(indices), self.opened)

    def identities(self) -> list[str]:
        return self.images.identities()


def distances_of(
    tower: Tower,
    images: ImageSource,
    pairs: Indices,
    weights: Floats,
    batch_size: int = 4,
    workers: int = 0,
    memory: int = MEMORY,
    dense: bool | None = None,
    compiled: bool = False,
    check_passes: bool = True,
) -> dict[str, Floats]:
    workload = workload_of(images, pairs, weights, batch_size, dense=dense)
    execution = Execution(join("cpu"), workers=workers, feature_memory=memory, compiled=compiled)
    found = TowerSource(tower).distances(workload, execution, ProgressListener())
    assert not check_passes or (found.passes > 1) == (memory < MEMORY)
    return found.values


def measured(model: str, dataset: str, root: Path | None, **options: object) -> Run:
    cell = Cell(model=model, dataset=dataset, data_root=root, accelerator="cpu", workers=0, **options)  # type: ignore[arg-type]
    run = measure_cell(cell)
    assert run is not None
    return run


def root_mean_square(first: Image.Image, second: Image.Image) -> float:
    a, b = (np.asarray(image.convert("RGB"), dtype=np.float64) / 255 for image in (first, second))
    return float(np.sqrt(((a - b) ** 2).mean()))
