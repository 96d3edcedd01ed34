"""Filling the pixel cache: what is lost is prepared again, runs find it, and what cannot be kept is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from alignbench.cli.main import main
from alignbench.datasets.images import FileImages
from alignbench.models.family import as_family
from cache_command import PAPER, SMALL, Caching, refuse_weights
from folders import Folders
from reference import save_clip

pytestmark = pytest.mark.slow


@pytest.fixture
def caching(nights_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Caching:
    return Caching(nights_root, tmp_path / "cache", capsys)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_weights(monkeypatch)


def test_what_was_lost_is_prepared_again_by_several_processes(caching: Caching, tiny_tower: Folders) -> None:
    [(_, count, *_)] = caching.filled("--model", tiny_tower("clip"))
    entries = [path for path in caching.place.rglob("*") if path.is_file()]
    whole = {path: path.read_bytes() for path in entries}
    entries[0].unlink()
    entries[1].write_bytes(whole[entries[1]][:-1])
    [line] = caching.filled("--model", tiny_tower("clip"), workers=2)
    assert line[1:4] == (count, count - 2, 2)
    assert {path: path.read_bytes() for path in entries} == whole


@pytest.mark.parametrize("resize", ["checkpoint", "squash"])
def test_a_run_decodes_nothing_of_what_is_there(
    caching: Caching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resize: str
) -> None:
    save_clip(tmp_path / "clip")
    recipes = caching.filled("--model", f"{tmp_path / 'clip'},ssim", "--resize", resize)
    assert [line[4] for line in recipes] == [str(tmp_path / "clip"), "ssim"]
    assert (recipes[0][0] == "whole picture to 32 x 32, bicubic") == (resize == "squash")

    def refuse(images: FileImages, index: int) -> Image.Image:
        pytest.fail(f"{images.names[index]} was decoded")

    monkeypatch.undo()
    monkeypatch.setattr(FileImages, "open", refuse)
    for model in ("ssim", str(tmp_path / "clip")):
        where = ("--data-root", caching.root, "--output", tmp_path / "runs", "--loader-workers", 0)
        options = (*where, "--resize", resize, "--pixel-cache", caching.place)
        assert main(["run", "--model", model, "--dataset", "nights", *map(str, options), "--wandb", "off"]) == 0


def test_metrics_at_native_size_have_nothing_to_keep(caching: Caching, tid2013_root: Path) -> None:
    caching.root = tid2013_root
    caching.refused(
        2,
        r"ssim takes the pictures of tid2013 at their native size, .*: leave it out",
        "--model",
        "ssim",
        dataset="tid2013",
    )


def test_a_plug_ins_model_is_refused(caching: Caching, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = as_family("theirs", lambda *_, **__: pytest.fail("the model was loaded"))
    monkeypatch.setattr("alignbench.models.families.find_family", lambda name: theirs)
    caching.refused(2, r"how theirs:one prepares pictures is known only once it is loaded", "--model", "theirs:one")


def test_a_cache_that_cannot_hold_all_is_refused_before_it_is_filled(caching: Caching, tiny_tower: Folders) -> None:
    [(_, count, *_)] = caching.filled("--model", tiny_tower("clip"), "--pixel-cache-size", "1MB")
    assert caching.sizes() == [SMALL] * count
    code, _, said = caching.run("--model", f"{tiny_tower('clip')},pixels", "--pixel-cache-size", count * PAPER)
    assert code == 2
    size = rf"{count} pictures prepared in 2 ways take 0\.\d\dGB, and the pixel cache may take 0\.\d\dGB: raise"
    assert re.search(size, said[0])
    assert caching.sizes() == [SMALL] * count


def test_a_damaged_picture_ends_in_a_line(
    caching: Caching, tiny_tower: Folders, tmp_path: Path, nights_root: Path
) -> None:
    caching.root = Path(shutil.copytree(nights_root, tmp_path / "nights"))
    path = min((caching.root / "ref").rglob("*.png"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255  # both ends are as they should be
    path.write_bytes(data)
    code, _, [said] = caching.run("--model", tiny_tower("clip"))
    assert code == 1
    assert f"{path} cannot be decoded" in said
    assert "download it again" in said
