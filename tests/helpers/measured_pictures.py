"""Photographs, as they are and damaged, and their distances by a metric of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alignbench import PairMetric
from alignbench.cli.main import main
from alignbench.datasets.images import FileImages
from alignbench.extraction.distributed import Ranks
from alignbench.extraction.execution import Execution
from alignbench.extraction.metric_distances import MetricSource
from alignbench.extraction.progress import ProgressListener
from workloads import workload_of


def photographs(side: int = 256) -> list[Image.Image]:
    """Five views of two photographs: each as it is, and damaged in three ways that a metric must notice."""
    views = []
    for photograph in (skimage.data.astronaut(), skimage.data.coffee()):
        original = Image.fromarray(photograph[40 : 40 + side, 60 : 60 + side])
        noise = np.random.default_rng(0).normal(0, 20, (side, side, 3))
        noisy = (np.asarray(original) + noise).round().clip(0, 255).astype(np.uint8)
        small = original.resize((side // 4, side // 4), Image.Resampling.BILINEAR)
        views += [original, Image.fromarray(noisy), small.resize((side, side), Image.Resampling.BILINEAR)]
    return views


PAIRS = np.array([(0, 1), (0, 2), (3, 4), (3, 5), (1, 2), (0, 3)])


def tensors(pictures: Sequence[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2) / 255.0


class Measured(NamedTuple):
    """Distances, (1, pairs), and the number of pairs whose pictures differ in size."""

    values: NDArray[np.float64]
    resized: int


def measured(
    metric: PairMetric,
    pictures: Sequence[Image.Image],
    folder: Path,
    pairs: NDArray[np.int64] = PAIRS,
    batch_size: int = 3,
    device: str = "cpu",
) -> Measured:
    """Distances of pictures in files, through the flow of images."""
    names = tuple(f"{index}.png" for index in range(len(pictures)))
    for name, picture in zip(names, pictures, strict=True):
        picture.save(folder / name)
    workload = workload_of(FileImages(folder, names), pairs, batch_size=batch_size, dense=False)
    execution = Execution(Ranks(0, 1, torch.device(device)), workers=0)
    found = MetricSource(metric, None).distances(workload, execution, ProgressListener())
    return Measured(found.values[metric.distance], found.resized)


@dataclass
class Places:
    """A metric that notes where its pictures are; it gives the number of pairs in each batch."""

    name: str = "places"
    distance: str = "places"
    min_side: int = 1

    def __post_init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []
        self.asked: list[str] = []

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        for pictures in (first, second):
            assert pictures.dtype == torch.float32
            self.seen.append((pictures.device.type, tuple(pictures.shape)))
        return torch.full((len(first),), float(len(first)))


def run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> Path:
    assert main(["run", "--accelerator", "cpu", "--output", str(tmp_path / "runs"), *options]) == 0
    return Path(capsys.readouterr().out.splitlines()[-1])
