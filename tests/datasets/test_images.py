"""Damage is noticed, and what is no file is never opened."""

import io
import os
from pathlib import Path

import pytest

from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
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
