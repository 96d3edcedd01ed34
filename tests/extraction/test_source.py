"""What holds of every source, a tower or a pair metric: it answers pair by pair, and a damaged picture ends it."""

from dataclasses import replace

import numpy as np
import pytest

from alignbench.arrays import Floats, Indices
from alignbench.datasets.images import ImageSource
from alignbench.errors import DataError
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.metric_distances import MetricSource
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.source import Source
from alignbench.extraction.tower_distances import TowerSource
from alignbench.models.pair_metrics import METRICS
from damaged_scenery import DamagedScenery
from pixel_tower import SIDE, PixelTower, colours_of
from scenery import Scenery, random_graph
from workloads import workload_of

IMAGES = 6
PAIRS = random_graph(1, IMAGES)
EXECUTION = Execution(join("cpu"), workers=0)


@pytest.fixture(params=["tower", "metric"])
def source(request: pytest.FixtureRequest) -> Source:
    if request.param == "tower":
        return TowerSource(PixelTower())
    return MetricSource(METRICS.load("pixels"), SIDE)


def euclidean(source: Source, images: ImageSource, pairs: Indices) -> Floats:
    """(layers, pairs)."""
    return source.distances(workload_of(images, pairs), EXECUTION, ProgressListener()).values["euclidean"]


def test_distances_come_in_the_order_of_the_pairs_whichever_picture_is_first(source: Source) -> None:
    order = np.random.default_rng(0).permutation(len(PAIRS))
    plain = euclidean(source, Scenery(IMAGES), PAIRS)
    assert len(np.unique(plain.round(6))) == plain.size, "no two distances are alike"
    np.testing.assert_allclose(euclidean(source, Scenery(IMAGES), PAIRS[order, ::-1]), plain[:, order], rtol=1e-5)


def test_a_tower_answers_with_the_distances_of_its_features() -> None:
    found = euclidean(TowerSource(PixelTower()), Scenery(IMAGES), PAIRS)
    colours = np.stack([colours_of(Scenery(IMAGES).open(index)) for index in range(IMAGES)])
    differences = colours[PAIRS[:, 0]] - colours[PAIRS[:, 1]]  # (pairs, tokens, channels)
    projection = np.sqrt((4 * differences[:, 0] ** 2).mean(axis=1))
    np.testing.assert_allclose(found, [np.sqrt((differences**2).mean(axis=(1, 2))), projection], rtol=1e-4)


def test_prepared_pixels_are_taken_instead_of_files(source: Source) -> None:
    class Unreadable(Scenery):
        def open(self, index: int) -> None:  # type: ignore[override]
            pytest.fail("a file was opened although its pixels were there")

    workload = workload_of(Unreadable(IMAGES), PAIRS)
    kept = replace(workload, pixels=lambda index: source.prepare(Scenery(IMAGES).open(index)))  # type: ignore[arg-type]
    found = source.distances(kept, EXECUTION, ProgressListener()).values["euclidean"]
    np.testing.assert_array_equal(found, euclidean(source, Scenery(IMAGES), PAIRS))


def test_a_damaged_picture_ends_it_and_is_named(source: Source) -> None:
    with pytest.raises(DataError, match=r"^scene 4 cannot be decoded$"):
        euclidean(source, DamagedScenery(IMAGES, damaged=4), PAIRS)
