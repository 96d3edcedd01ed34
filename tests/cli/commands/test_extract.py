"""`alignbench extract` on tiny towers: against plain transformers, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.extraction.feature_files import read_features
from extracted import NAMES, check, command, expected, refused, write_scenes
from folders import Folders
from scenery import Scenery

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


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
        (
            command(model, pictures, tmp_path / "f.csv"),
            "f.csv has no ending that tells what to write: use .safetensors, .npz or .npy",
        ),
        (command(model, tmp_path / "none", tmp_path / "f.npz"), "none is not a folder"),
        (command(model, tmp_path / "empty", tmp_path / "f.npz"), "empty holds no pictures"),
        (command(model, pictures, tmp_path / "f.npz", "--batch-size", "x"), "--batch-size x"),
        (command(model, pictures, tmp_path / "f.npz", "--tokens", "class"), "did you mean cls?"),
        (command(model, pictures, there / "f.npz"), "there.npy is no folder): choose another --output"),
        (command(tiny_tower("siglip"), pictures, tmp_path / "f.npz", "--layers", "layer_1"), "needs a class token"),
        (command(Path("pixels"), pictures, tmp_path / "f.npz"), "pixels compares pictures and has no features"),
    ]
    for arguments, text in cases:
        line = refused(capsys, arguments)
        assert text in line, line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "there.npy"]
    assert there.read_bytes() == b"mine"
    assert main(command(model, pictures, there, "--overwrite")) == 0
    assert np.load(there).shape == (len(NAMES), 24)
