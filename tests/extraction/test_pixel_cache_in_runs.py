"""Runs share the pixel cache and measure the same with it as without."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignbench import Cell
from alignbench.cli.main import main
from alignbench.datasets.images import FileImages
from alignbench.measurement.pipeline import measure_cell
from alignbench.results.run_folder import Run
from cached_pictures import files_in
from folders import Folders
from reference import save_clip

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each picture file was decoded in this process."""
    count, plain = Counter[str](), FileImages.open

    def open_and_count(images: FileImages, index: int) -> Image.Image:
        count[images.names[index]] += 1
        return plain(images, index)

    monkeypatch.setattr(FileImages, "open", open_and_count)
    return count


def measured(model: str, dataset: str, root: Path, **options: Any) -> Run:
    run = measure_cell(Cell(model, dataset, root, accelerator="cpu", workers=0, **options))
    assert run is not None
    return run


@pytest.mark.parametrize("dataset", ["nights", "things"])
def test_metrics_share_pixels_and_measure_the_same(
    data_root: Folders, place: Path, opened: Counter[str], dataset: str
) -> None:
    root = data_root(dataset)
    plain = measured("ssim", dataset, root, pixel_cache="off")
    assert plain.record.execution["pixel_cache"] is None
    images = len(opened)
    assert images > 5
    first = measured("pixels", dataset, root, pixel_cache=place)
    assert opened == dict.fromkeys(opened, 2)
    second = measured("ssim", dataset, root, pixel_cache=place)
    assert opened == dict.fromkeys(opened, 2)
    np.testing.assert_array_equal(second.distances["ssim"], plain.distances["ssim"])
    assert second.settings == plain.settings
    told = [run.record.execution for run in (first, second)]
    assert [(found["pixel_cache"], found["pixels_there"]) for found in told] == [(str(place), 0), (str(place), images)]


def test_metrics_at_native_size_and_packaged_sets_leave_nothing(tid2013_root: Path, place: Path) -> None:
    assert measured("pixels", "tid2013", tid2013_root, pixel_cache=place).record.execution["pixel_cache"] is None
    run = measure_cell(Cell("pixels", "shapes-low", limit=30, pixel_cache=place))
    assert run is not None
    assert run.record.execution["pixel_cache"] is None
    assert not files_in(place)


@pytest.mark.parametrize("resize", ["checkpoint", "squash"])
def test_towers_share_pixels_and_measure_the_same(
    tiny_tower: Folders, tmp_path: Path, tid2013_root: Path, place: Path, opened: Counter[str], resize: str
) -> None:
    save_clip(tmp_path / "other", seed=1, blocks=2)
    plain = measured(str(tmp_path / "other"), "tid2013", tid2013_root, pixel_cache="off", resize=resize)
    measured(str(tiny_tower("clip")), "tid2013", tid2013_root, pixel_cache=place, resize=resize)
    assert opened == dict.fromkeys(opened, 2)
    second = measured(str(tmp_path / "other"), "tid2013", tid2013_root, pixel_cache=place, resize=resize)
    assert opened == dict.fromkeys(opened, 2)
    assert second.record.execution["pixels_there"] == len(opened) == len(files_in(place))
    for name, values in plain.distances.items():
        np.testing.assert_array_equal(second.distances[name], values)
    assert second.settings == plain.settings


def command(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_run_takes_its_cache_from_its_options(
    nights_root: Path, tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("run", "--model", "pixels", "--dataset", "nights", "--data-root", nights_root, "--wandb", "off")
    out = ("--output", tmp_path / "runs", "--overwrite")
    assert command(*common, *out, "--pixel-cache", place) == 0
    assert files_in(place)
    shared = Path(os.environ["ALIGNBENCH_CACHE"]) / "pixels"
    before = set(files_in(shared))
    assert command(*common, *out, "--pixel-cache", "off") == 0
    assert set(files_in(shared)) == before
    capsys.readouterr()
    assert command(*common, *out, "--pixel-cache", place, "--pixel-cache-size", "400KB") == 0
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if "the pixel cache holds 2 of these" in line]) == 1
    assert sum(path.stat().st_size for path in files_in(place)) <= 400_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pixel-cache", "FILE"), r"the pixel cache \S+ is a file: choose another directory"),
        (("--pixel-cache-size", "lots"), r"'lots' is not a size: write for instance"),
        (("--pixel-cache-size", "0"), r"pixel cache size 0 is below 1"),
    ],
)
def test_wrong_options_are_refused_before_a_model_is_loaded(
    nights_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, str],
    said: str,
) -> None:
    monkeypatch.setattr("alignbench.models.families.load_tower", lambda *_, **__: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("")
    options = (options[0], options[1].replace("FILE", str(tmp_path / "file")))
    where = ("--data-root", nights_root, "--output", tmp_path / "runs", "--wandb", "off")
    assert command("run", "--model", "shapes-clip", "--dataset", "nights", *where, *options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(said, line)
