"""Parts of an output as a source: distances against NumPy, and pictures that it does not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from alignbench.datasets.images import FileImages
from alignbench.errors import AlignbenchError
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.progress import ProgressListener, RunSummary
from alignbench.extraction.source import PairWorkload
from alignbench.interpret import head_source
from alignbench.interpret.align_job import HEAD_DISTANCES
from alignbench.interpret.components import Component, OutputParts, PartCurve
from alignbench.interpret.head_source import HeadSource, row_distances
from alignbench.interpret.store import StoreShape
from head_stores import write_store
from workloads import workload_of as all_distances_of

SHAPE = StoreShape(pictures=12, blocks=2, layers=(1, 2), heads=2, width=5, dtype="fp32")
ORDER = (7, 2, 11, 4, 0)
PAIRS = np.array([[0, 1], [3, 2], [4, 1], [0, 0]])


def by_numpy(features: np.ndarray, distance: str) -> np.ndarray:
    x = features.astype(np.float64)
    if distance == "centred_cosine":
        x = x - x.mean(axis=0)
    a, b = x[np.array(ORDER)][PAIRS[:, 0]], x[np.array(ORDER)][PAIRS[:, 1]]
    if distance == "euclidean":
        return np.sqrt(((a - b) ** 2).mean(axis=1))
    return 1 - (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def workload_of(images: FileImages, pairs: np.ndarray, distances: tuple[str, ...]) -> PairWorkload:
    return replace(all_distances_of(images, pairs), distances=distances)


class Heard(ProgressListener):
    def __init__(self) -> None:
        self.planned_images = self.images = 0

    def planned(self, outline: RunSummary) -> None:
        self.planned_images = outline.share

    def advanced(self, images: int) -> None:
        self.images += images


def test_distances_are_those_of_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_source, "_AT_ONCE", 10)  # two pairs at once
    parts = OutputParts(write_store(tmp_path / "store", SHAPE))
    source = HeadSource(parts, parts.curves)
    images = FileImages(tmp_path, tuple(f"{number}.png" for number in ORDER))
    workload = workload_of(images, PAIRS, HEAD_DISTANCES)
    heard = Heard()
    found = source.distances(workload, Execution(join("cpu")), heard)
    assert found.layers == source.layers == tuple(curve.name for curve in parts.curves)
    assert dict(zip(source.layers, source.depths, strict=True))["head 1 of layer 2"] == 100.0
    assert heard.images == heard.planned_images == len(ORDER) * len(parts.curves)
    assert set(found.values) == set(HEAD_DISTANCES)
    for name, values in found.values.items():
        expected = np.stack([by_numpy(parts.features(curve), name) for curve in parts.curves])
        assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_rows_are_taken_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows, pairs = rng.normal(size=(6, 4)).astype(np.float32), rng.integers(0, 6, (9, 2))
    whole = row_distances(rows, pairs, "euclidean", torch.device("cpu"))
    monkeypatch.setattr(head_source, "_AT_ONCE", 4)
    assert_allclose(row_distances(rows, pairs, "euclidean", torch.device("cpu")), whole, rtol=1e-6)


def test_what_has_no_direction_is_named(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", SHAPE)
    with SHAPE.layer_shard(store.folder, 2).mapped() as tensors:
        tensors["head_0"][4] = 0.0
    source = HeadSource(OutputParts(store), (PartCurve(Component("head", 2, 0)),))
    images = FileImages(tmp_path, ("3.png", "4.png"))
    for distance in ("cosine", "euclidean"):
        workload = workload_of(images, np.array([[0, 1]]), (distance,))
        if distance == "euclidean":
            source.distances(workload, Execution(join("cpu")), ProgressListener())
            continue
        with pytest.raises(AlignbenchError, match=r"head 0 of layer 2 is zero for 4\.png, which has no cosine"):
            source.distances(workload, Execution(join("cpu")), ProgressListener())


def test_pictures_that_are_not_there_are_named(tmp_path: Path) -> None:
    parts = OutputParts(write_store(tmp_path / "store", SHAPE))
    images = FileImages(tmp_path, ("3.png", "lost.png"))
    workload = workload_of(images, np.array([[0, 1]]), ("cosine",))
    with pytest.raises(AlignbenchError, match=r"has no contributions of lost\.png: make them again by"):
        HeadSource(parts, parts.curves).distances(workload, Execution(join("cpu")), ProgressListener())
