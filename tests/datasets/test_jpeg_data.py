"""JPEG files whose data end early are told from whole ones, however they were written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.images import FileImages
from alignbench.datasets.jpeg_data import ends_early
from alignbench.errors import DataError
from smooth_pictures import smooth

END = b"\xff\xd9"
LARGE = (400, 300)  # of which the last block is looked at first
FORMS: list[dict[str, Any]] = [
    {"quality": 90},
    {"quality": 30, "subsampling": 2, "optimize": True},
    {"quality": 90, "progressive": True},
    {"quality": 95, "subsampling": 0, "restart_marker_blocks": 5},
    {"quality": 80, "progressive": True, "restart_marker_rows": 1},
]


def written(picture: Image.Image, form: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **form)
    return buffer.getvalue()


def early(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        try:
            image.load()
        except OSError:  # it was cut between two scans
            return True
        return ends_early(content, image)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (96, 72), LARGE])
def test_a_whole_file_is_whole_and_a_cut_one_is_not(form: dict[str, Any], mode: str, size: tuple[int, int]) -> None:
    content = written(smooth(size).convert(mode), form)
    assert not early(content)
    start = content.index(b"\xff\xda") + 20
    for cut in np.linspace(start, len(content) - 30, 4).astype(int) if size[0] > 50 else ():
        assert early(content[:cut].rstrip(b"\xff") + END), f"cut at {cut} of {len(content)}"


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_picture_of_one_grey_is_whole(colour: int) -> None:
    for form in FORMS:
        assert not early(written(Image.new("RGB", LARGE, (colour,) * 3), form))


def test_a_progressive_file_without_its_last_scan_is_not() -> None:
    content = written(smooth(), {"quality": 90, "progressive": True})
    assert early(content[: content.rindex(b"\xff\xda")] + END)


def test_bytes_behind_the_data_or_the_picture_do_no_harm() -> None:
    content = written(smooth(), {"quality": 90})
    assert not early(content[:-2] + bytes(50) + END)
    assert not early(content[:-2] + b"\xff\xff" + END)
    assert not early(content + b"behind \xff\xda\xff\xd9")


def test_it_is_named_when_it_is_read_and_in_the_inventory(tmp_path: Path) -> None:
    content = written(smooth(), {"quality": 90})
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2] + END)
    images = FileImages(tmp_path, ("cut.jpg",))
    with pytest.raises(DataError, match=r"cut\.jpg cannot be decoded \(its data end early\): download it again"):
        images.open(0)
    assert images.faults() == ["cut.jpg (damaged: its data end early)"]
