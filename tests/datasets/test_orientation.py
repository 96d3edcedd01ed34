"""Pictures turned upright: all eight orientations, in every format that can name one."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets import scenes
from alignbench.datasets.decoded_pictures import decoded_picture
from alignbench.datasets.images import FileImages
from alignbench.datasets.orientation import turned_upright
from orientations import UPRIGHT, write_turned

SCENE = Image.fromarray(scenes.render(scenes.sample_scene(np.random.default_rng(1)))).resize((90, 70))


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_picture_is_turned_as_its_orientation_says(orientation: int, kind: str, tmp_path: Path) -> None:
    path = write_turned(tmp_path / f"it.{kind}", SCENE, orientation)
    SCENE.save(tmp_path / f"plain.{kind}")
    stored = np.asarray(Image.open(tmp_path / f"plain.{kind}").convert("RGB"))
    wanted = UPRIGHT[orientation](stored)
    assert wanted.shape[:2] == ((70, 90) if orientation < 5 else (90, 70))
    assert np.array_equal(np.asarray(FileImages(tmp_path, (path.name,)).open(0, upright=True)), wanted)
    assert np.array_equal(np.asarray(decoded_picture(BytesIO(path.read_bytes()), "mine", 10_000).image), wanted)


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_an_orientation_that_is_none_turns_nothing(orientation: int, tmp_path: Path) -> None:
    path = write_turned(tmp_path / "it.png", SCENE, orientation)
    found = FileImages(tmp_path, (path.name,)).open(0, upright=True)
    assert np.array_equal(np.asarray(found), np.asarray(SCENE))


@pytest.mark.parametrize(
    "said", [b"Exif\0\0nothing of it", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\0"]
)
@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning")
def test_damaged_exif_data_turn_nothing(said: bytes, tmp_path: Path) -> None:
    SCENE.save(tmp_path / "it.jpg", exif=said)
    SCENE.save(tmp_path / "plain.jpg")
    found, plain = (np.asarray(FileImages(tmp_path, (name,)).open(0, upright=True)) for name in ("it.jpg", "plain.jpg"))
    assert np.array_equal(found, plain)


def test_a_picture_that_asks_for_no_turn_stays_the_same() -> None:
    assert turned_upright(SCENE, Image.new("RGB", (9, 7))) is SCENE
