"""How pictures come to a metric of pairs: in batches, at one size, each opened once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench import DataError
from alignbench.datasets.judgments import Judgments
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.metric_distances import MetricSource
from alignbench.extraction.progress import ProgressListener
from alignbench.models.pair_metrics import METRICS
from baselines.structural import MS_SSIM
from measured_cells import CountedImages, root_mean_square
from measured_pictures import Places, measured, photographs
from workloads import workload_of


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 0), (16, 0), (3, 2)])
def test_the_flow_does_not_matter_for_pair_metrics(things: Judgments, batch_size: int, workers: int) -> None:
    images = CountedImages(things.images)
    workload = workload_of(images, things.pairs, batch_size=batch_size, dense=False)
    execution = Execution(join("cpu"), workers=workers)
    source = MetricSource(METRICS.load("pixels"), 64)
    found = source.distances(workload, execution, ProgressListener()).values["euclidean"]
    pictures = [
        things.images.open(index).resize((64, 64), Image.Resampling.BICUBIC)
        for index in range(len(things.images.names))
    ]
    expected = [root_mean_square(pictures[a], pictures[b]) for a, b in things.pairs.tolist()]
    np.testing.assert_allclose(found, [expected], rtol=1e-6)
    if not workers:  # a process has a count of its own
        assert images.opened == dict.fromkeys(things.images.names, 1)


# ---------------------------------------------------------------------------------------------- the door


def test_pairs_come_in_batches_of_sixteen_at_most(tmp_path: Path) -> None:
    pairs = np.array([(0, 1)] * 37)
    found = measured(Places(), photographs(16)[:2], tmp_path, pairs)
    assert found.values.tolist() == [[16.0] * 32 + [5.0] * 5]
    assert found.resized == 0


# ------------------------------------------------------------------------------------- pairs of two sizes


def pictures_of_sizes() -> list[Image.Image]:
    original, noisy = photographs(300)[:2]
    return [original, noisy.resize((280, 300)), noisy, original.resize((224, 224)), noisy.resize((200, 260))]


@pytest.mark.parametrize("batch_size", [1, 5])
def test_pictures_of_two_sizes_are_compared_at_224(tmp_path: Path, batch_size: int) -> None:
    pictures = pictures_of_sizes()
    pairs = np.array([(0, 1), (0, 2), (3, 1), (2, 4), (4, 0), (3, 3)])
    found = measured(METRICS.load("pixels"), pictures, tmp_path, pairs, batch_size)
    common = [picture.resize((224, 224), Image.Resampling.BICUBIC) for picture in pictures]
    expected = [
        root_mean_square(*((pictures if pictures[a].size == pictures[b].size else common)[i] for i in (a, b)))
        for a, b in pairs.tolist()
    ]
    np.testing.assert_allclose(found.values, [expected], rtol=1e-6)
    assert found.resized == 4


def test_pictures_of_two_sizes_are_refused_where_224_is_too_small(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        measured(Places("sharp", min_side=250), pictures_of_sizes()[:3], tmp_path, np.array([(0, 2), (0, 1)]))
    assert str(refused.value) == (
        "0.png and 1.png differ in size, and sharp cannot take them at 224 x 224 pixels: it needs at least 250"
    )


def test_a_small_picture_stays_one_beside_a_large_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^1.png is 40x200 pixels, and ms-ssim needs at least 161$"):
        measured(MS_SSIM, [photographs(200)[0], photographs(200)[1].resize((40, 200))], tmp_path, np.array([(0, 1)]))
