"""Stores of small towers over folders of pictures: what is in them, after stops, and on several ranks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import FileImages
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.features import Reading, ReadyTower
from alignbench.extraction.progress import EmbeddingListener
from alignbench.interpret import decompose
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.store import HeadStore
from alignbench.interpret.store_job import StoreJob
from alignbench.models.families import load_tower
from folders import Folders
from rank_processes import on_ranks

COUNT = 7


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> FileImages:
    root, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(COUNT):
        pixels = generator.integers(0, 256, (40 + number, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    return image_folder(root)


def ready(folder: Path, batch_size: int = 3) -> ReadyTower:
    return ReadyTower(load_tower(str(folder)), folder.name, Reading("all", batch_size=batch_size, workers=0))


def same(one: HeadStore, other: HeadStore, tolerance: float = 1e-6) -> None:
    assert (one.names, one.shape, one.record["settings"]) == (other.names, other.shape, other.record["settings"])
    for layer in one.layers:
        for head in range(one.heads):
            np.testing.assert_allclose(one.head(layer, head), other.head(layer, head), atol=tolerance)
    np.testing.assert_allclose(one.others(), other.others(), atol=tolerance)
    np.testing.assert_allclose(one.norms, other.norms, rtol=tolerance)


@pytest.mark.parametrize("family", ["clip", "chinese_clip", "siglip"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_store_holds_what_decompose_gives(
    family: str, dtype: str, tiny_tower: Folders, images: FileImages, tmp_path: Path
) -> None:
    model = ready(tiny_tower(family))
    has_class = family != "siglip"
    job = StoreJob("all", dtype, tmp_path, class_token=has_class)
    store, was_there = store_contributions(job, model, images)
    pixels = torch.stack([model.tower.prepare(images.open(number)) for number in range(COUNT)])
    wanted = decompose(model.tower, pixels, class_part=has_class)
    digits = {"fp32": 1e-5, "bf16": 2**-8}[dtype]
    assert not was_there
    assert store.names == images.names
    assert (len(store.layers), store.heads, store.width) == (
        wanted.attention.shape[1],
        wanted.attention.shape[2],
        wanted.attention.shape[3],
    )
    for layer in store.layers:
        for head in range(store.heads):
            np.testing.assert_allclose(
                store.head(layer, head), wanted.attention[:, layer - 1, head], rtol=digits, atol=1e-5
            )
    np.testing.assert_allclose(store.others(), wanted.others, rtol=digits, atol=1e-5)
    if wanted.class_part is not None:
        for layer in store.layers:
            np.testing.assert_allclose(store.class_part(layer), wanted.class_part[:, layer - 1], rtol=digits, atol=1e-5)
    np.testing.assert_allclose(store.norms, wanted.norm, rtol=1e-5)
    assert (store.constant is None) == (wanted.constant is None)
    if store.constant is not None:
        np.testing.assert_allclose(store.constant, wanted.constant, atol=1e-6)
    assert 0 < store.record["closure"]["mean"] <= store.record["closure"]["largest"] < 1e-5
    assert store.record["settings"]["model_fingerprint"] == model.tower.fingerprint


def test_what_is_left_out_makes_the_sum_whole(images: FileImages, tmp_path: Path) -> None:
    model = ReadyTower(load_tower("shapes-clip"), "shapes-clip", Reading("all", workers=0))
    store, _ = store_contributions(StoreJob("last4", "fp32", tmp_path), model, images)
    assert store.layers == (3, 4, 5, 6)
    heads = [store.head(layer, head) for layer in store.layers for head in range(store.heads)]
    total = np.sum(heads, axis=0) + store.others().sum(axis=1) + store.left_out()
    np.testing.assert_allclose(np.linalg.norm(total, axis=1), 1.0, atol=1e-5)
    whole, _ = store_contributions(StoreJob("all", "fp32", tmp_path), model, images)
    early = np.sum([whole.head(layer, head) for layer in (1, 2) for head in range(whole.heads)], axis=0)
    np.testing.assert_allclose(store.left_out(), early, atol=1e-5)
    assert store.folder != whole.folder


class _Stops(EmbeddingListener):
    """Stops after some batches, as a signal would."""

    def __init__(self, after: int) -> None:
        self.left, self.heard = after, 0

    def started(self, total: int) -> None:
        self.heard = total

    def advanced(self, images: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_what_was_stopped_goes_on_where_it_was(tiny_tower: Folders, images: FileImages, tmp_path: Path) -> None:
    model = ready(tiny_tower("clip"), 2)
    job = StoreJob("all", "fp32", tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        store_contributions(job, model, images, _Stops(2))
    (left,) = job.output.iterdir()
    assert left.name.startswith(".partial-clip__heads__")
    again = _Stops(-1)
    store, was_there = store_contributions(job, model, images, again)
    assert (again.heard, was_there) == (COUNT - 4, False)
    assert [path.name for path in job.output.iterdir()] == [store.folder.name]
    same(store, store_contributions(StoreJob("all", "fp32", tmp_path / "whole"), model, images)[0])
    taken = _Stops(-1)
    assert store_contributions(job, model, images, taken)[1]
    assert taken.heard == 0


def test_the_name_is_settled_by_model_pictures_and_settings(
    tiny_tower: Folders, images: FileImages, tmp_path: Path
) -> None:
    model = ready(tiny_tower("clip"))
    some = images.select(np.arange(5))
    jobs = [StoreJob("all", "fp32", tmp_path), StoreJob("all", "fp16", tmp_path)]
    jobs.append(StoreJob("all", "fp32", tmp_path, class_token=True))
    names = [store_contributions(job, model, images)[0].folder.name for job in jobs]
    names.append(store_contributions(jobs[0], model, some)[0].folder.name)
    other = ReadyTower(load_tower(str(tiny_tower("clip")), random_init=True, seed=3), "clip", model.reading)
    names.append(store_contributions(jobs[0], other, images)[0].folder.name)
    assert len(set(names)) == 5
    assert all(name.startswith("clip__heads__") for name in names)


def test_a_damaged_picture_ends_it_and_leaves_nothing(tiny_tower: Folders, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    Image.new("RGB", (40, 40), "red").save(root / "a.png")
    content = bytearray((root / "a.png").read_bytes())
    content[60] ^= 0xFF
    (root / "a.png").write_bytes(content)
    output = tmp_path / "heads"
    with pytest.raises(DataError, match=r"a\.png"):
        store_contributions(StoreJob("all", "fp32", output), ready(tiny_tower("clip")), image_folder(root))
    assert list(output.iterdir()) == []


def test_a_tower_without_class_token_keeps_no_part_of_it(
    tiny_tower: Folders, images: FileImages, tmp_path: Path
) -> None:
    with pytest.raises(AlignbenchError, match="no class token reads itself"):
        store_contributions(StoreJob(output=tmp_path / "heads", class_token=True), ready(tiny_tower("siglip")), images)
    assert not (tmp_path / "heads").exists()


def test_a_tower_without_an_exact_sum_is_refused_before_anything_is_written(images: FileImages, tmp_path: Path) -> None:
    model = ReadyTower(load_tower("timm:test_resnet", random_init=True), "it", Reading("all", workers=0))
    with pytest.raises(AlignbenchError, match="no sum over heads that is known exactly: it is a ResNet"):
        store_contributions(StoreJob(output=tmp_path / "heads"), model, images)
    assert not (tmp_path / "heads").exists()


def _on_a_rank(rank: int, folder: Path, root: Path, output: Path) -> None:
    job = StoreJob("all", "fp32", output, devices=2)
    store, was_there = store_contributions(job, ready(folder, 2), image_folder(root))
    (output / f"{rank}.json").write_text(json.dumps([store.folder.name, was_there]))


def test_two_ranks_leave_the_same_store(tiny_tower: Folders, images: FileImages, tmp_path: Path) -> None:
    alone, _ = store_contributions(StoreJob("all", "fp32", tmp_path / "alone"), ready(tiny_tower("clip")), images)
    output = tmp_path / "both"
    output.mkdir()
    on_ranks(2, _on_a_rank, tiny_tower("clip"), images.root, output)
    said = [json.loads((output / f"{rank}.json").read_text()) for rank in range(2)]
    assert said == [[alone.folder.name, False]] * 2
    same(HeadStore.open(output / alone.folder.name), alone)
    assert not [path for path in output.iterdir() if path.name.startswith(".")]
