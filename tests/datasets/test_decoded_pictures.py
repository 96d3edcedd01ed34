"""Pictures that somebody brings: what is done to them is told, and what cannot be read names the remedy."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.decoded_pictures import as_stored, decoded, decoded_picture, fault_of, has_more_frames
from alignbench.errors import DataError

SCENE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8))
ORIENTATION = 0x112


def written(picture: Image.Image, kind: str = "PNG", orientation: int | None = None, more: bool = False) -> BytesIO:
    file, exif = BytesIO(), Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    picture.save(file, kind, exif=exif, save_all=more, append_images=[picture.rotate(180)] if more else [])
    return file


@pytest.mark.parametrize(("orientation", "is_turned"), [(None, False), (1, False), (6, True), (3, True), (99, False)])
def test_a_turn_is_told(orientation: int | None, is_turned: bool) -> None:
    file = written(SCENE, orientation=orientation)
    found = decoded_picture(file, "mine", 100)
    assert (found.is_turned, found.is_first) == (is_turned, False)
    assert found.image.size == ((6, 9) if orientation == 6 else (9, 6))
    file.seek(0)
    assert np.array_equal(np.asarray(decoded(file, as_stored)), np.asarray(SCENE))


def test_a_turn_that_changes_nothing_is_none() -> None:
    assert not decoded_picture(written(Image.new("RGB", (5, 5), "red"), orientation=6), "mine", 100).is_turned


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF"])
def test_of_several_pictures_the_first_is_taken_and_that_is_told(kind: str) -> None:
    grey = SCENE.convert("L").convert("RGB")  # of which GIF has all colours
    found = decoded_picture(written(grey, kind, more=True), "mine", 100)
    assert found.is_first
    assert np.array_equal(np.asarray(found.image), np.asarray(grey))
    with Image.open(written(grey, kind)) as image:
        assert not has_more_frames(image)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<svg></svg>", "^mine is not a picture: give a file of AVIF, BMP|^mine is not a picture: give a file of BMP"),
        (written(SCENE).getvalue()[:60], r"^mine cannot be decoded \(.+\): save it again$"),
        (written(SCENE.resize((20, 20))).getvalue(), "^mine has 20 x 20 pixels, and 100 are read: make it smaller$"),
    ],
)
def test_what_cannot_be_read_names_the_remedy(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        decoded_picture(BytesIO(content), "mine", 100)


def test_a_fault_is_said_without_the_file() -> None:
    assert fault_of(FileNotFoundError(2, "No such file or directory", "/x/y")) == "No such file or directory"
    assert fault_of(ValueError("odd")) == "odd"
