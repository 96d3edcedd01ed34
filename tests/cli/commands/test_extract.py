"""`alignbench extract` on tiny towers: against plain transformers, and resumed to the same bits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.extraction import feature_extraction as image_features
from alignbench.extraction.feature_files import read_features
from folders import Folders
from reference import Array, embed, token_view
from scenery import Scenery

NAMES = ("a/x.png", "a/y/z.png", "b.png", "c.png", "d/e/f.png", "g.png", "h.png")
ADVANCED = "alignbench.cli.progress.ImageProgress.advanced"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    scenery = Scenery(len(NAMES))
    for number, name in reversed(list(enumerate(NAMES))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        scenery.open(number).save(root / name)
    return root


def command(model: Path, pictures: Path, output: Path, *options: str) -> list[str]:
    given = ("--model", model, "--images", pictures, "--output", output, "--batch-size", "2", *options)
    return ["extract", *map(str, given)]


def expected(model: Path, pictures: Path, *, view: str, unit: bool = False) -> dict[str, Array]:
    """Features of the whole float32 model, one picture at a time."""
    layers = embed(model, [pictures / name for name in NAMES], unit_projection=unit)
    has_class = len(layers["layer_1"][0]) == 17
    return {name: np.stack([token_view(one, view, has_class) for one in found]) for name, found in layers.items()}


def check(found: Array, wanted: Array) -> None:
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("family", "view"),
    [("clip", "cls"), ("clip", "mean"), ("clip", "all"), ("siglip", "mean"), ("chinese_clip", "cls")],
)
def test_features_are_the_models_own(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, family: str, view: str, capsys: Capture
) -> None:
    output = tmp_path / "f.safetensors"
    assert main(command(tiny_tower(family), pictures, output, "--layers", "all", "--tokens", view)) == 0
    assert capsys.readouterr().out == f"{output}\n"
    found = read_features(output)
    assert found.names == NAMES
    wanted = expected(tiny_tower(family), pictures, view=view)
    assert set(found.arrays) == set(wanted)
    for name, array in found.arrays.items():
        check(array, wanted[name])
        tokens = wanted[name].shape[1]
        assert array.shape[1:-1] == (() if tokens == 1 else (tokens,))
    assert (found.origin["model"], found.origin["tokens"], found.origin["normalized"]) == (family, view, False)


@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip"])
def test_only_normalize_divides_by_the_norm(tiny_tower: Folders, pictures: Path, tmp_path: Path, family: str) -> None:
    view = "mean" if family == "siglip" else "cls"
    output = tmp_path / "f.npz"
    assert main(command(tiny_tower(family), pictures, output, "--tokens", view, "--normalize")) == 0
    found = read_features(output)
    check(found.arrays["projection"], expected(tiny_tower(family), pictures, view=view, unit=True)["projection"])
    assert found.origin["normalized"] == (family != "clip")  # whose own code leaves it raw
    norms = np.linalg.norm(found.arrays["projection"], axis=1)
    assert np.allclose(norms, 1.0, rtol=1e-5) == (family != "clip")


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


def refused(capsys: Capture, arguments: Sequence[str]) -> str:
    """The one line of complaint of a command that is to fail."""
    capsys.readouterr()
    assert main(list(arguments)) in (1, 2)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert "unexpected" not in line
    return line


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


def test_a_damaged_picture_is_named_and_may_be_replaced(
    tiny_tower: Folders, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, output = tmp_path / "pictures", tmp_path / "f.npz"
    root.mkdir()
    for number in range(3):
        Scenery(1, number).open(0).save(root / f"{number}.png")
    whole = (root / "2.png").read_bytes()
    (root / "2.png").write_bytes(whole[:200])
    assert "2.png (truncated)" in refused(capsys, command(tiny_tower("clip"), root, output))
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 0xFF  # only decoding shows it
    (root / "2.png").write_bytes(middle)
    for batch, left in (("4", {"pictures"}), ("2", {"pictures", ".partial-f.npz"})):  # no row was done, or two
        arguments = command(tiny_tower("clip"), root, output, "--batch-size", batch)
        assert "2.png cannot be decoded" in refused(capsys, arguments)
        assert {path.name for path in tmp_path.iterdir()} == left
    (root / "2.png").write_bytes(whole)
    assert main(command(tiny_tower("clip"), root, output)) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "f.npz"}


def test_bad_input_is_said_in_a_line(tiny_tower: Folders, pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    there = tmp_path / "there.npy"
    there.write_bytes(b"mine")
    model = tiny_tower("clip")
    (tmp_path / "empty").mkdir()
    cases = [
        (command(model, pictures, there), "there.npy is there: name another --output, or add --overwrite"),
        (command(model, pictures, tmp_path / "f.npz", "--layers", "layer_9"), "unknown layer 'layer_9': did you mean"),
        (command(model, pictures, tmp_path / "f.npz", "--layers", ","), "no layer is named: there are layer_0"),
        (command(model, pictures, tmp_path / "f.npy", "--layers", "all"), "f.npy: a .npy holds one layer, and there"),
        (command(model, pictures, tmp_path / "f.csv"), "f.csv: features are written as .safetensors, .npz, .npy"),
        (command(model, tmp_path / "none", tmp_path / "f.npz"), "none is not a folder"),
        (command(model, tmp_path / "empty", tmp_path / "f.npz"), "empty holds no pictures"),
        (command(model, pictures, tmp_path / "f.npz", "--batch-size", "x"), "--batch-size x"),
        (command(model, pictures, tmp_path / "f.npz", "--tokens", "class"), "did you mean cls?"),
        (command(model, pictures, there / "f.npz"), "f.npz cannot be written (Not a directory)"),
        (command(tiny_tower("siglip"), pictures, tmp_path / "f.npz"), "needs a class token"),
        (command(Path("pixels"), pictures, tmp_path / "f.npz"), "pixels compares pictures and has no features"),
    ]
    for arguments, text in cases:
        line = refused(capsys, arguments)
        assert text in line, line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "there.npy"]
    assert there.read_bytes() == b"mine"
    assert main(command(model, pictures, there, "--overwrite")) == 0
    assert np.load(there).shape == (len(NAMES), 24)
