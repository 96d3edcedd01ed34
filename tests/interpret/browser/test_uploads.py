"""Pictures that visitors bring: what the model sees is what it sees of a file, and what is no picture is refused."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets import scenes
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
from alignbench.interpret.browser.uploads import read_upload
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower
from orientations import UPRIGHT, write_turned

SCENE = Image.fromarray(scenes.render(scenes.sample_scene(np.random.default_rng(1)))).resize((90, 70))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def tower() -> Tower:
    return load_tower("shapes-clip", protocol="corrected")


def encoded(kind: str, picture: Image.Image = SCENE, **options: object) -> bytes:
    content = BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header alone says how large it is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_model_sees_of_an_upload_what_it_sees_of_the_file(kind: str, tower: Tower, tmp_path: Path) -> None:
    content = encoded(kind)
    (tmp_path / "x").write_bytes(content)
    found = read_upload(content, "mine", tower)
    assert (found.height, found.width) == (70, 90)
    assert found.prepared.name == "mine"
    assert np.array_equal(found.pixels, tower.prepare(FileImages(tmp_path, ("x",)).open(0)).numpy())


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_upload_is_turned_as_its_exif_orientation_says(orientation: int, tower: Tower, tmp_path: Path) -> None:
    content = write_turned(tmp_path / "it.png", SCENE, orientation).read_bytes()
    upright = np.ascontiguousarray(UPRIGHT[orientation](np.asarray(SCENE)))
    found = read_upload(content, "mine", tower)
    assert (found.height, found.width) == upright.shape[:2]
    assert np.array_equal(found.pixels, tower.prepare(Image.fromarray(upright)).numpy())
    turned = ("It was turned upright, as its EXIF orientation says.",)
    assert found.notes == (turned if orientation != 1 else ())


def test_of_a_file_with_several_pictures_the_first_is_taken_and_that_is_said(tower: Tower) -> None:
    content = BytesIO()
    SCENE.save(content, "PNG", save_all=True, append_images=[SCENE.rotate(180)])
    found = read_upload(content.getvalue(), "mine", tower)
    assert np.array_equal(found.pixels, tower.prepare(SCENE).numpy())
    assert found.notes == ("Its file has several pictures, of which this is the first.",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SVG, "is not a picture: give a file of "),
        (b"<html><script>alert(1)</script>", "is not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
        (b"\x00" * 100, "is not a picture"),
        (encoded("PNG")[:-40], "cannot be decoded"),
        (encoded("JPEG")[:-300], "cannot be decoded"),
        (huge_png(10_000, 10_000), "has 10,000 x 10,000 pixels, and 40,000,000 are read: make it smaller"),
        (huge_png(60_000, 60_000), "has more than the 40,000,000 pixels that are read"),
        (huge_png(2**31 - 1, 2**31 - 1), "has more than the 40,000,000 pixels that are read"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_damaged_or_too_large_is_refused(content: bytes, said: str, tower: Tower) -> None:
    with pytest.raises(DataError, match=f"^mine {said}"):
        read_upload(content, "mine", tower)


def test_a_picture_that_unpacks_to_more_than_it_says_is_refused(tower: Tower) -> None:
    bomb = bytearray(encoded("PNG", Image.new("RGB", (100, 100))))
    place = bomb.index(b"IDAT")
    data = zlib.compress(bytes(50_000_000))
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    end = place + 4 + struct.unpack(">I", bomb[place - 4 : place])[0] + 4
    content = bytes(bomb[: place - 4]) + chunk + bytes(bomb[end:])
    found = read_upload(content, "mine", tower)  # what lies beyond the last pixel is not unpacked
    assert (found.height, found.width) == (100, 100)
