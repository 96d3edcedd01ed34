"""What a run tells whoever watches it is what then happens: passes, memory and pictures."""

import pytest

from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.metric_distances import MetricSource
from alignbench.extraction.progress import ProgressListener, RunSummary
from alignbench.extraction.source import Source
from alignbench.extraction.tower_distances import TowerSource
from alignbench.models.pair_metrics import METRICS
from pixel_tower import PixelTower
from scenery import Scenery, random_graph
from workloads import workload_of

IMAGES = 7
PAIRS = random_graph(2, IMAGES)


class Heard(ProgressListener):
    """Remembers what it was told, in order."""

    def __init__(self) -> None:
        self.all: list[RunSummary | int] = []

    def planned(self, outline: RunSummary) -> None:
        self.all.append(outline)

    def advanced(self, images: int) -> None:
        self.all.append(images)


def watch(source: Source, memory: int = 10**9) -> tuple[RunSummary, list[int]]:
    """The outline, which must come before the first batch, and the pictures of each batch."""
    heard, execution = Heard(), Execution(join("cpu"), workers=0, feature_memory=memory)
    source.distances(workload_of(Scenery(IMAGES), PAIRS, batch_size=3, dense=True), execution, heard)
    outline, *batches = heard.all
    assert isinstance(outline, RunSummary)
    return outline, [int(images) for images in batches]  # type: ignore[call-overload]


def test_the_memory_that_is_said_to_do_for_one_pass_does() -> None:
    outline, batches = watch(TowerSource(PixelTower()))
    assert outline.one_pass == IMAGES * (3 * 3 + 3) * 4  # two layers of float32, every picture kept
    assert (outline.layers, outline.passes, batches) == (2, 1, [3, 3, 1])
    assert watch(TowerSource(PixelTower()), outline.one_pass)[0].passes == 1
    tight, batches = watch(TowerSource(PixelTower()), outline.one_pass - 1)
    assert (tight.passes, tight.one_pass) == (2, outline.one_pass)
    assert batches == [3, 3, 1] * 2, "every picture once a pass"


@pytest.mark.parametrize("source", [TowerSource(PixelTower()), MetricSource(METRICS.load("pixels"), 8)])
def test_every_picture_is_told_once_a_pass(source: Source) -> None:
    outline, batches = watch(source)
    assert (outline.images, outline.pairs, outline.device) == (IMAGES, len(PAIRS), "cpu")
    assert sum(batches) == IMAGES * outline.passes
