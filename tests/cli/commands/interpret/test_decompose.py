"""`alignbench interpret decompose` through the command line: the store it leaves, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.interpret.store import HeadStore
from extracted import NAMES, refused, write_scenes
from folders import Folders

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


def command(model: Path | str, pictures: Path, output: Path, *further: str) -> list[str]:
    return [
        *("interpret", "decompose", "--model", str(model), "--images", str(pictures), "--output", str(output)),
        *("--loader-workers", "0", *further),
    ]


def test_a_store_is_made_told_and_taken_again(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    order = command(tiny_tower("clip"), pictures, tmp_path / "heads", "--layers", "all", "--dtype", "fp16")
    assert main(order) == 0
    told = capsys.readouterr()
    (folder,) = (tmp_path / "heads").iterdir()
    assert told.out == f"{folder}\n"
    assert f"clip: {len(NAMES)} images, 3 of 3 layers x 4 heads x 24 numbers" in told.err
    store = HeadStore.open(folder)
    assert store.names == NAMES
    assert (
        store.record["settings"] | {"model": "clip", "dtype": "fp16", "layers": [1, 2, 3]} == store.record["settings"]
    )
    made = folder.stat().st_mtime_ns
    assert main(order) == 0
    told = capsys.readouterr()
    assert told.out == f"{folder}\n"
    assert f"these contributions are there: taken from {folder}" in told.err
    assert folder.stat().st_mtime_ns == made
    assert main([*order, "--overwrite"]) == 0
    np.testing.assert_allclose(HeadStore.open(folder).head(1, 0), store.head(1, 0), atol=1e-3)


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--layers", "first"), "unknown --layers 'first'"),
        (("--dtype", "int8"), "unknown --dtype 'int8'"),
        (("--devices", "0"), "--devices 0: give 1 or more"),
        (("--batch-size", "many"), "--batch-size many is neither"),
        (("--images", "nowhere"), "nowhere is not a folder"),
        (("--model", "pixels"), "pixels compares pictures and has no features"),
        (("--model", "no-such-model"), "unknown model 'no-such-model'"),
        (("--model", "timm:test_resnet", "--random-init"), "no sum over heads that is known exactly: it is a ResNet"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    further: tuple[str, ...], said: str, tiny_tower: Folders, pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert said in refused(capsys, command(tiny_tower("clip"), pictures, tmp_path / "heads", *further))
    assert not list(tmp_path.glob("heads/*"))


def test_an_output_that_cannot_be_written_is_said(
    tiny_tower: Folders, pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "heads").write_text("a file")
    line = refused(capsys, command(tiny_tower("clip"), pictures, tmp_path / "heads"))
    assert "heads cannot be written to" in line
