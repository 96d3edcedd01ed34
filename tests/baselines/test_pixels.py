"""Distances of pixels are NumPy's, at native size and resized."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench.models.pair_metrics import METRICS
from folders import Folders
from measured_cells import measured, root_mean_square
from reference import read_nights, read_things, read_tid2013


def test_pixels_of_ratings_at_native_size_equal_numpy(tid2013_root: Path) -> None:
    run = measured("pixels", "tid2013", tid2013_root, batch_size=5)
    expected = read_tid2013(tid2013_root)
    images = [Image.open(path) for path in expected.images]
    found = run.distances["euclidean"][0, run.judgments.judged[:, 0]]
    np.testing.assert_allclose(
        found, [root_mean_square(images[a], images[b]) for [(a, b)] in expected.pairs], rtol=1e-6
    )
    assert run.settings.resize == "native"


@pytest.mark.parametrize(("dataset", "read"), [("nights", read_nights), ("things", read_things)])
def test_pixels_of_choices_at_224_equal_numpy(data_root: Folders, dataset: str, read: Callable) -> None:
    run = measured("pixels", dataset, data_root(dataset), batch_size=3)
    expected = read(data_root(dataset))
    images = [Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC) for path in expected.images]
    found = run.distances["euclidean"][0, run.judgments.judged]
    distances = [[root_mean_square(images[a], images[b]) for a, b in pairs] for pairs in expected.pairs]
    np.testing.assert_allclose(found, distances, rtol=1e-6)
    assert run.settings.resize == 224


def test_pixels_of_the_packaged_world_are_compared_as_they_are_drawn() -> None:
    run = measured("pixels", "shapes-middle", None, limit=5)
    images = [run.judgments.images.open(index) for index in range(len(run.judgments.images.names))]
    expected = [root_mean_square(images[a], images[b]) for a, b in run.judgments.pairs.tolist()]
    np.testing.assert_allclose(run.distances["euclidean"], [expected], rtol=1e-6)
    assert run.settings.resize == "native"


def test_pixels_by_hand() -> None:
    pixels = METRICS.load("pixels")
    first, second = torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 4, 5)
    second[0] = 0.5
    second[1, 0] = 1.0
    np.testing.assert_allclose(pixels(first, second).numpy(), [0.5, np.sqrt(1 / 3)], rtol=1e-12)
