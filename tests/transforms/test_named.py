"""Transforms by file or by published name: what they are called, and what tells them apart."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import alignbench
from alignbench.transforms import PUBLISHED
from alignbench.transforms.named import resolve
from alignbench.transforms.published import Published
from folders import Folders
from random_transforms import Capture, transform
from run_folders import read_record, run_command


def test_a_published_transform_is_taken_by_name_for_its_model(
    tiny_tower: Folders, things_root: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the documentation, a small tower and a small transform in the place of the real ones."""
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    known = Published("visual", 24, ("openai/clip-vit-large-patch14",))
    monkeypatch.setitem(PUBLISHED, "clip_ViT-L/14", known)
    kept = transform(24).save(tmp_path / "cache" / "transforms" / "clip_ViT-L" / "14" / "visual" / "transform.npz")
    kept.with_suffix(".sha256").write_text(hashlib.sha256(kept.read_bytes()).hexdigest())
    shutil.copytree(tiny_tower("clip"), tmp_path / "clip-vit-large-patch14")
    options = ("--dataset", "things", "--data-root", things_root, "--output", tmp_path / "runs", "--pixel-cache", "off")
    folder = run_command(
        capsys, "--model", tmp_path / "clip-vit-large-patch14", *options, "--transform", "clip_ViT-L/14"
    )
    record = read_record(folder)
    assert record["label"] == "clip-vit-large-patch14@clip_ViT-L/14"
    assert folder.name.startswith("clip-vit-large-patch14@clip_ViT-L--14__things__")
    assert record["transform"]["provenance"]["models"] == ["openai/clip-vit-large-patch14"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dir/glocal.npz", "glocal"),
        ("visual/transform.npz", "visual"),
        ("dir/a@b.safetensors", "a-b"),
        ("clip__things__glocal__1a2b3c4d/projection.safetensors", "glocal-1a2b3c4d"),
        ("clip__things__glocal__1a2b3c4d/layer_7.safetensors", "glocal-1a2b3c4d-layer_7"),
    ],
)
def test_a_file_gives_its_name(tmp_path: Path, name: str, expected: str) -> None:
    path = transform(4).save(tmp_path / name)
    if "__" in name:
        (path.parent / "learned.json").write_text("{}")
    assert resolve(path).name == resolve(str(path)).name == expected
    assert alignbench.Cell("shapes-clip", "shapes-low", transform=str(path)).name == f"shapes-clip@{expected}"


def test_the_digest_is_of_the_numbers_and_not_of_the_file(tmp_path: Path) -> None:
    by = transform(4)
    digests = {resolve(by.save(tmp_path / f"t.{ending}")).digest for ending in ("npz", "safetensors")}
    assert len(digests) == 1
    for other in (
        replace(by, mean=0.2),
        replace(by, std=1.6),
        replace(by, bias=None),
        replace(by, weights=by.weights + 1.0),
    ):
        assert resolve(other.save(tmp_path / "other.npz")).digest not in digests
