"""Features in a file are the same bits whether or not their extraction was stopped on the way."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.extraction import feature_extraction as image_features
from alignbench.extraction.feature_files import read_features
from alignbench.extraction.features import Reading, ReadyTower
from extracted import NAMES, check, command, expected, write_scenes
from folders import Folders
from pixel_tower import PixelTower, colours_of
from reference import embed
from scenery import Scenery

ADVANCED = "alignbench.cli.progress.ImageProgress.advanced"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


def stopped(
    patch: pytest.MonkeyPatch, arguments: Sequence[str], after: int, error: type[BaseException] = KeyboardInterrupt
) -> None:
    """Runs a command that is stopped when so many pictures are embedded."""
    embedded = 0

    def stop(self: object, images: int) -> None:
        nonlocal embedded
        embedded += images
        if embedded == after:
            raise error

    with patch.context() as here:
        here.setattr(ADVANCED, stop)
        assert main(list(arguments)) == (130 if error is KeyboardInterrupt else 1)


def content(path: Path) -> tuple[dict[str, bytes], object, object]:
    """All that a file says; the order in a `.safetensors` and the times in a `.npz` are not the same twice."""
    found = read_features(path)
    return {name: array.tobytes() for name, array in found.arrays.items()}, found.names, found.origin


@pytest.mark.parametrize(
    ("suffix", "error"), [(".safetensors", KeyboardInterrupt), (".npz", RuntimeError), (".npy", KeyboardInterrupt)]
)
def test_what_was_stopped_goes_on_to_the_same_bits(
    tiny_tower: Folders,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    suffix: str,
    error: type[BaseException],
) -> None:
    layers = ("--layers", "projection") if suffix == ".npy" else ("--layers", "layer_1,projection")
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    assert main(command(tiny_tower("clip"), pictures, whole, *layers)) == 0
    arguments = command(tiny_tower("clip"), pictures, parts, *layers)
    stopped(monkeypatch, arguments, 4, error)
    assert not parts.exists()
    seen: list[int] = []
    started: list[int] = []
    monkeypatch.setattr(ADVANCED, lambda self, images: seen.append(images))
    monkeypatch.setattr("alignbench.cli.progress.ImageProgress.started", lambda self, total: started.append(total))
    assert main(arguments) == 0
    assert (sum(seen), started) == (3, [3])
    assert "4 images had been embedded before this was stopped" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"parts{suffix}", f"whole{suffix}"]
    assert content(whole) == content(parts)


def test_a_kill_loses_only_what_was_not_noted(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, notes = image_features._note, 0

    def killed(*arguments: Any) -> None:
        nonlocal notes
        notes += 1
        if notes > 2:  # also what is noted on the way out
            raise RuntimeError
        note(*arguments)

    arguments = command(tiny_tower("clip"), pictures, tmp_path / "f.npy")
    with monkeypatch.context() as patch:
        patch.setattr(image_features, "_SECONDS", 0.0)
        patch.setattr(image_features, "_note", killed)
        assert main(arguments) == 1
    seen: list[int] = []
    monkeypatch.setattr(ADVANCED, lambda self, images: seen.append(images))
    assert main(arguments) == 0
    assert sum(seen) == 3
    check(np.load(tmp_path / "f.npy"), expected(tiny_tower("clip"), pictures, view="cls")["projection"])


@pytest.mark.parametrize("change", [("--normalize",), ("--precision", "bf16"), ("--layers", "projection,layer_1")])
def test_other_settings_begin_anew(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...]
) -> None:
    """Of rows from before none is left, not even where only the division by the norm differs."""
    whole, output = tmp_path / "whole.safetensors", tmp_path / "f.safetensors"
    plain = command(tiny_tower("chinese_clip"), pictures, output)
    stopped(monkeypatch, plain, 4)
    assert main([*plain, *change]) == 0
    assert main([*command(tiny_tower("chinese_clip"), pictures, whole), *change]) == 0
    assert content(output) == content(whole)


def test_another_picture_begins_anew_and_a_damaged_record_too(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, output = tmp_path / "pictures", tmp_path / "f.npy"
    root.mkdir()
    for number in range(5):
        Scenery(1, number).open(0).save(root / f"{number}.png")
    arguments = command(tiny_tower("clip"), root, output)
    stopped(monkeypatch, arguments, 4)
    Scenery(1, 9).open(0).save(root / "1.png")
    stopped(monkeypatch, arguments, 2)
    record = tmp_path / ".partial-f.npy" / "progress.json"
    assert json.loads(record.read_text())["rows"] == 2
    record.write_text("{")
    seen: list[int] = []
    monkeypatch.setattr(ADVANCED, lambda self, images: seen.append(images))
    assert main(arguments) == 0
    assert sum(seen) == 5
    whole = embed(tiny_tower("clip"), [root / f"{number}.png" for number in range(5)])["projection"]
    check(np.load(output), np.stack(whole))


@pytest.mark.parametrize("bytes_left", [None, -8])
def test_rows_that_are_damaged_are_embedded_again(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_left: int | None
) -> None:
    whole, output = tmp_path / "whole.npz", tmp_path / "f.npz"
    layers = ("--layers", "layer_1,projection")
    assert main(command(tiny_tower("clip"), pictures, whole, *layers)) == 0
    arguments = command(tiny_tower("clip"), pictures, output, *layers)
    stopped(monkeypatch, arguments, 4)
    rows = tmp_path / ".partial-f.npz" / "projection.npy"
    if bytes_left is None:
        rows.unlink()
    else:
        rows.write_bytes(rows.read_bytes()[:bytes_left])
    seen: list[int] = []
    monkeypatch.setattr(ADVANCED, lambda self, images: seen.append(images))
    assert main(arguments) == 0
    assert sum(seen) == len(NAMES)
    assert content(output) == content(whole)


def test_without_a_listener_the_file_holds_the_models_numbers(tmp_path: Path) -> None:
    tower, output = PixelTower(), tmp_path / "f.npz"
    ready = ReadyTower(tower, "pixels", Reading("mean", batch_size=2, workers=0))
    assert image_features.features_into(output, ready, Scenery(3, first=4), tower.layers) == 0
    found = read_features(output)
    colours = np.stack([colours_of(Scenery(3, first=4).open(index)) for index in range(3)])
    np.testing.assert_allclose(found.arrays["layer_0"], colours[:, 1:].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.arrays["projection"], 2 * colours[:, 0], rtol=1e-5)
    assert found.names == ("scene 4", "scene 5", "scene 6")
    assert (found.origin["model"], found.origin["model_fingerprint"], found.origin["tokens"]) == (
        "pixels",
        "pixels",
        "mean",
    )
    prefix = tower.prefix_tokens
    depths = {layer.name: layer.depth for layer in tower.layers}
    assert found.origin["layers"] == {name: {"depth": depth, "prefix_tokens": prefix} for name, depth in depths.items()}
    assert found.origin["class_token"] == tower.has_class_token
    assert [path.name for path in tmp_path.iterdir()] == ["f.npz"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system does not claim room in advance")
def test_a_full_disk_is_said_before_anything_is_embedded(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert main(command(tiny_tower("clip"), pictures, tmp_path / "features.npz")) == 1
    assert "features.npz cannot be written (No space left on device)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
