"""Damage is noticed, and what is no file is never opened."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from alignbench.datasets.images import FileImages
from alignbench.errors import AlignbenchWarning, DataError
from smooth_pictures import damage_png, smooth


def test_no_flipped_bit_of_a_png_goes_unnoticed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    smooth().save(buffer, "PNG")
    for percent in range(1, 100):
        data = bytearray(buffer.getvalue())
        damage_png(data, percent / 100)
        (tmp_path / "damaged.png").write_bytes(data)
        with pytest.raises(DataError, match=r"damaged\.png"):
            FileImages(tmp_path, ("damaged.png",)).open(0)


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    images = FileImages(tmp_path, ("pipe.png", "zero.png"))
    assert images.faults() == [
        "pipe.png (a named pipe, where a file belongs)",
        "zero.png (a device, where a file belongs)",
    ]
    with pytest.raises(DataError, match=r"pipe\.png \(a named pipe, where a file belongs\), zero\.png"):
        images.identities()
    with pytest.raises(DataError, match=r"pipe\.png cannot be decoded \(a named pipe, where a file belongs\)"):
        images.open(0)


def test_postscript_under_the_name_of_a_picture_is_handed_to_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    (tmp_path / "a.bmp").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    )
    images = FileImages(tmp_path, ("a.bmp",))
    assert images.faults() == ["a.bmp (not an image)"]
    with pytest.raises(DataError, match="cannot be decoded"):
        images.open(0)
    assert not (tmp_path / "called").exists()


def pictures() -> tuple[Image.Image, Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels), Image.fromarray(255 - pixels)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif", ".webp"])
def test_of_several_frames_the_first_is_read_and_said(tmp_path: Path, suffix: str) -> None:
    first, second = pictures()
    first.save(tmp_path / f"one{suffix}", lossless=True)
    first.save(tmp_path / f"two{suffix}", save_all=True, append_images=[second], lossless=True)
    images = FileImages(tmp_path, (f"one{suffix}", f"two{suffix}"))
    for look in (images.identities, images.faults):
        with pytest.warns(AlignbenchWarning) as said:
            look()
        assert [str(warning.message) for warning in said] == [
            f"1 of 2 images under {tmp_path} are read, and yet: two{suffix} (of several frames the first is read); "
            "check that they are the published ones"
        ]
    np.testing.assert_array_equal(np.asarray(images.open(1)), np.asarray(images.open(0)))


def test_a_picture_is_read_as_it_is_stored_whatever_its_exif_says(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    picture = smooth()
    picture.save(tmp_path / "turned.jpg", exif=turned)
    picture.save(tmp_path / "plain.jpg")
    turned_open, plain_open = (np.asarray(FileImages(tmp_path, (f"{n}.jpg",)).open(0)) for n in ("turned", "plain"))
    np.testing.assert_array_equal(turned_open, plain_open)


def odd_exif(path: Path) -> None:
    pictures()[0].save(path, exif=Image.Exif().tobytes() + bytes(20))
    content = bytearray(path.read_bytes())
    entries = content.index(b"Exif\0\0") + 14  # how many entries there are, of which none is there
    content[entries : entries + 2] = b"\xff\x00"
    path.write_bytes(content)


def huge(path: Path) -> None:
    Image.new("1", (9_500, 9_500)).save(path)


@pytest.mark.parametrize(
    ("made", "name", "said"),
    [(odd_exif, "a.jpg", "Corrupt EXIF data"), (huge, "a.png", r"Image size \(90250000 pixels\) exceeds limit")],
)
def test_what_pillow_warns_of_is_one_warning_of_ours(
    tmp_path: Path, made: Callable[[Path], None], name: str, said: str
) -> None:
    made(tmp_path / name)
    with pytest.warns(match=said) as raw, Image.open(tmp_path / name) as image:
        image.getexif()
    assert not any(issubclass(warning.category, AlignbenchWarning) for warning in raw)
    images = FileImages(tmp_path, (name,))
    with pytest.warns(AlignbenchWarning, match=rf"^1 of 1 images .* and yet: {name} \({said}.*\); check") as caught:
        images.identities()
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.open(0)


def test_a_picture_too_large_to_be_true_is_refused_in_one_line(tmp_path: Path) -> None:
    Image.new("1", (14_000, 14_000)).save(tmp_path / "a.png")
    images = FileImages(tmp_path, ("a.png",))
    with pytest.raises(DataError, match=r"a\.png \(damaged: Image size \(196000000 pixels\) exceeds limit"):
        images.identities()
    with pytest.raises(DataError, match=r"a\.png cannot be decoded \(Image size"):
        images.open(0)
