"""What tests of extraction share: counted pictures, a place for a cache, and a tower with pairs to measure."""

from pathlib import Path

import pytest

from alignbench.arrays import Floats
from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import Judgments
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower
from cached_pictures import CountedFiles, write_pictures
from folders import Folders
from measured_cells import distances_of


@pytest.fixture
def pictures(tmp_path: Path) -> CountedFiles:
    return CountedFiles(tmp_path / "pictures", write_pictures(tmp_path / "pictures"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def tower(tiny_tower: Folders) -> Tower:
    return load_tower(str(tiny_tower("clip")))


@pytest.fixture(scope="module")
def things(things_root: Path) -> Judgments:
    return DATASETS.load("things").read(things_root, ("validationset",))


@pytest.fixture(scope="module")
def plain(tower: Tower, things: Judgments) -> dict[str, Floats]:
    """Distances of all pairs with every image in one batch."""
    return distances_of(tower, things.images, things.pairs, things.multiplicity(), batch_size=100)
