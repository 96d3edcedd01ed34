"""Transforms by file or by published name: what they are called, and what tells them apart."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import alignbench
from alignbench.errors import UsageError
from alignbench.extraction.feature_files import FeatureFile
from alignbench.transforms import PUBLISHED
from alignbench.transforms.named import NamedTransform, check_fits, check_pictures, resolve
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


TOLD = {"model": "net", "models": ["net"], "layer": "projection", "sha256": "0"}


@pytest.mark.parametrize(
    ("module", "layer", "tokens", "fits"),
    [
        ("avgpool", "avgpool", "all", True),
        ("classifier.3", "classifier.3", "all", True),
        ("avgpool", "layer4", "all", False),
        ("norm", "norm", "cls", True),
        ("norm", "norm", "mean", False),
        ("norm", "projection", "mean", True),
    ],
)
def test_a_layer_may_be_called_as_the_published_module(module: str, layer: str, tokens: str, fits: bool) -> None:
    chosen = NamedTransform("net", transform(4, module=module, **TOLD))
    features = FeatureFile({layer: np.ones((2, 4))}, origin={"model": "net", "tokens": tokens})
    with nullcontext() if fits else pytest.raises(UsageError, match=f"is for projection, not for {layer}: add --force"):
        check_fits(chosen, features, layer)


@pytest.mark.parametrize(
    ("pictures", "resize", "said"),
    [
        ("", "checkpoint", ""),
        ("", "published", ""),
        ("", "squash", "as the model's own code prepares them"),
        ("cropped", "published", ""),
        ("cropped", "checkpoint", "cropped"),
        ("cropped", "squash", "cropped"),
    ],
)
def test_pictures_are_those_of_a_published_transform(pictures: str, resize: str, said: str) -> None:
    chosen = NamedTransform("net", transform(4, **TOLD | ({"pictures": pictures} if pictures else {})))
    text = f"^the transform net was learned on other pictures \\({said}\\): do this$"
    with pytest.raises(UsageError, match=text) if said else nullcontext():
        check_pictures(chosen, resize, "do this")
    check_pictures(NamedTransform("mine", transform(4, pictures="cropped")), resize, "nothing")  # it was learned here
    assert chosen.resize_for("net") == ("published" if pictures else "checkpoint")
    assert chosen.resize_for("other") == "checkpoint"
