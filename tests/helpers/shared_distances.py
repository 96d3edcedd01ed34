"""Distances of pairs that several ranks find together."""

from pathlib import Path

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.tower_distances import TowerSource
from alignbench.models.families import load_tower
from scenery import Scenery
from workloads import workload_of

MEMORY = 4_000_000_000
TRIPLETS = np.array([(3 * triplet, 3 * triplet + side) for triplet in range(5) for side in (1, 2)])


def distances_on(
    ranks: int, tower_folder: Path, pairs: Indices, weights: Floats, dense: bool, memory: int = MEMORY
) -> dict[str, Floats]:
    """Distances of the pairs, with so many ranks; every rank has them all."""
    tower = load_tower(str(tower_folder))
    images = Scenery(int(pairs.max()) + 1)
    workload = workload_of(images, pairs, weights, 3, ranks, dense)
    execution = Execution(join("cpu", ranks), workers=0, feature_memory=memory)
    return TowerSource(tower).distances(workload, execution, ProgressListener()).values
