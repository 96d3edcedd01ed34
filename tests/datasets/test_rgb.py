"""Pictures of more than 8 bits become those of 8, or are refused where little would be left of them."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.images import FileImages
from alignbench.datasets.rgb import DepthError, to_rgb
from alignbench.errors import DataError

RAMP = np.arange(256).reshape(16, 16)


def stored(pixels: np.ndarray, form: str) -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return Image.open(io.BytesIO(buffer.getvalue()))


def deep_png(pixels: np.ndarray) -> Image.Image:
    """A PNG of 16 bits a channel, which Pillow reads and does not write; (H, W, 3)."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = (
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in parts
    )
    return Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)))


@pytest.mark.parametrize(
    ("pixels", "form"),
    [
        ((RAMP * 256).astype(np.uint16), "PNG"),
        ((RAMP * 257).astype(np.uint16), "PNG"),
        ((RAMP * 257).astype(np.uint16), "TIFF"),
        ((RAMP * 257).astype(np.int32), "TIFF"),
        (RAMP.astype(np.float32), "TIFF"),
        (RAMP.astype(np.uint8), "PNG"),
    ],
    ids=["16-bit", "16-bit-257", "16-bit-tiff", "32-bit", "float", "8-bit"],
)
def test_the_ramp_becomes_the_8_bit_ramp(pixels: np.ndarray, form: str) -> None:
    np.testing.assert_array_equal(np.asarray(to_rgb(stored(pixels, form))), np.repeat(RAMP[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("pixels", "form", "said"),
    [
        (RAMP.astype(np.uint16), "PNG", "from 0 to 255 of 0 to 65,535, and would become nearly black"),
        ((RAMP * 16).astype(np.uint16), "PNG", "from 0 to 4080 of 0 to 65,535, and would become nearly black"),
        ((30_000 + RAMP // 4).astype(np.uint16), "TIFF", "from 30000 to 30063 of 0 to 65,535, and would become"),
        (RAMP.astype(np.int32), "TIFF", "from 0 to 255 of 0 to 65,535, and would become nearly black"),
        ((RAMP * 2**20).astype(np.int32), "TIFF", "where 0 to 65,535 are read"),
        ((RAMP * 100 - 300).astype(np.int32), "TIFF", "from -300 to 25200, where 0 to 65,535 are read"),
        ((RAMP / 255).astype(np.float32), "TIFF", "from 0 to 1 of 0 to 255, and would become nearly black"),
        ((RAMP - 1).astype(np.float32), "TIFF", "from -1 to 254, where 0 to 255 are read"),
        ((RAMP * 257).astype(np.float32), "TIFF", "from 0 to 65535, where 0 to 255 are read"),
        (np.where(RAMP, RAMP, np.nan).astype(np.float32), "TIFF", "from nan to nan, where 0 to 255 are read"),
        ((100 + RAMP / 1000).astype(np.float32), "TIFF", "from 100 to 100.255 of 0 to 255, and would become"),
    ],
)
def test_what_little_would_be_left_of_is_refused(pixels: np.ndarray, form: str, said: str) -> None:
    with pytest.raises(DepthError, match=f"has grey values .*{said}.*: save it with 8 bits a channel, or scale it"):
        to_rgb(stored(pixels, form))


@pytest.mark.parametrize("value", [0, 100, 40_000])
def test_a_file_of_one_grey_stays_one(value: int) -> None:
    found = to_rgb(stored(np.full((4, 4), value, dtype=np.uint16), "PNG"))
    assert set(np.asarray(found).ravel().tolist()) == {value // 256}


def test_16_bit_colours_keep_their_high_byte_or_are_refused() -> None:
    colours = np.stack([RAMP, RAMP.T, RAMP[::-1]], axis=2)
    np.testing.assert_array_equal(np.asarray(to_rgb(deep_png(colours * 257))), colours)
    for flat in (colours, colours * 16, 30_000 + colours // 4):
        with pytest.raises(DepthError, match="has 16 bits a channel, and would become nearly black or one flat colour"):
            to_rgb(deep_png(flat))


def test_a_refused_picture_is_named_before_anything_is_embedded(tmp_path: Path) -> None:
    Image.fromarray((RAMP / 255).astype(np.float32)).save(tmp_path / "dark.tif")
    images = FileImages(tmp_path, ("dark.tif",))
    for look in (images.identities, lambda: images.open(0)):
        with pytest.raises(DataError, match=r"dark\.tif .*has grey values from 0 to 1 of 0 to 255"):
            look()
    assert images.faults()[0].startswith("dark.tif (has grey values")
