"""Pictures of more than 8 bits become those of 8, or are refused where little would be left of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.images import FileImages
from alignbench.datasets.rgb import DepthError, to_rgb
from alignbench.errors import DataError

RAMP = np.arange(256).reshape(16, 16)
COLOURS = np.stack([RAMP, RAMP.T, RAMP[::-1]], axis=2)


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
        ((RAMP * 64).astype(np.uint16), "PNG", "from 0 to 16320 of 0 to 65,535, and would become nearly black"),
        (
            (RAMP * 5_000 // 255).astype(np.int32),
            "TIFF",
            "from 0 to 5000 of 0 to 65,535, and would become nearly black",
        ),
        ((RAMP * (20 / 255)).astype(np.float32), "TIFF", "from 0 to 20 of 0 to 255, and would become nearly black"),
        ((RAMP // 4).astype(np.float32), "TIFF", "from 0 to 63 of 0 to 255, and would become nearly black"),
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


def test_a_picture_with_greys_above_the_darkest_quarter_is_read() -> None:
    dark = RAMP // 4 + 1  # 1 to 64
    for pixels, form in ((dark.astype(np.float32), "TIFF"), ((dark * 256).astype(np.uint16), "PNG")):
        np.testing.assert_array_equal(np.asarray(to_rgb(stored(pixels, form)))[..., 0], dark)
    colours = COLOURS // 4 + 1
    np.testing.assert_array_equal(np.asarray(to_rgb(deep_png(colours * 257))), colours)


def test_16_bit_colours_keep_their_high_byte_or_are_refused() -> None:
    np.testing.assert_array_equal(np.asarray(to_rgb(deep_png(COLOURS * 257))), COLOURS)
    for flat in (COLOURS, COLOURS * 16, COLOURS * 64, 30_000 + COLOURS // 4):
        with pytest.raises(DepthError, match="has 16 bits a channel, and would become nearly black or one flat colour"):
            to_rgb(deep_png(flat))


def netpbm(kind: int, highest: int, values: np.ndarray) -> Image.Image:
    """A PGM (kinds 2 and 5) or PPM (3 and 6), as text (2 and 3) or in bytes, whose white is `highest`."""
    head = f"P{kind}\n{values.shape[1]} {values.shape[0]}\n{highest}\n".encode()
    text = " ".join(map(str, values.ravel())).encode()
    body = text if kind in (2, 3) else values.astype(">u2" if highest > 255 else "u1").tobytes()
    return Image.open(io.BytesIO(head + body))


@pytest.mark.parametrize("kind", [2, 3, 5, 6])
@pytest.mark.parametrize("highest", [1, 15, 100, 255, 256, 1023, 4095, 65_535])
def test_the_highest_value_that_a_file_names_is_white(kind: int, highest: int) -> None:
    shades = COLOURS if kind in (3, 6) else RAMP
    values = np.rint(shades / 255 * highest).astype(np.int64)
    expected = np.rint(values / highest * 255)
    found = np.asarray(to_rgb(netpbm(kind, highest, values)), dtype=np.int64)
    assert found.max() == 255
    np.testing.assert_allclose(found, expected if kind in (3, 6) else np.repeat(expected[..., None], 3, 2), atol=1)


@pytest.mark.parametrize("kind", [2, 3, 5, 6])
@pytest.mark.parametrize("highest", [4095, 65_535])
def test_values_of_8_bits_in_a_file_of_more_are_refused(kind: int, highest: int) -> None:
    shades = COLOURS if kind in (3, 6) else RAMP
    with pytest.raises(DepthError, match="would become nearly black or one flat colour"):
        to_rgb(netpbm(kind, highest, shades * highest // 65_535))


def test_dark_and_flat_pictures_of_8_bits_are_read_as_they_are(tmp_path: Path) -> None:
    for values in (COLOURS // 4, COLOURS // 32, np.full((4, 4, 3), 7)):
        np.testing.assert_array_equal(np.asarray(to_rgb(netpbm(6, 255, values))), values)
    header = struct.pack("<2sIHHI", b"BM", 54 + 32, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 16, *[0] * 6)
    (tmp_path / "a.bmp").write_bytes(header + b"\x12\x34" * 16)  # 16 bits a pixel, of which a channel has 5
    assert FileImages(tmp_path, ("a.bmp",)).open(0).getcolors() == [(16, (106, 0, 148))]


@pytest.mark.parametrize("bits", [8, 16])
def test_greys_that_count_from_white_are_turned_round_or_refused(bits: int) -> None:
    shades = RAMP.astype(f"<u{bits // 8}") * (1 if bits == 8 else 257)
    tags = {256: 16, 257: 16, 258: bits, 259: 1, 262: 0, 273: 8, 277: 1, 278: 16, 279: shades.nbytes}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + shades.nbytes)
    image = Image.open(io.BytesIO(head + shades.tobytes() + struct.pack("<H", len(tags)) + entries + bytes(4)))
    if bits == 8:
        np.testing.assert_array_equal(np.asarray(to_rgb(image))[..., 0], 255 - RAMP)
    else:
        with pytest.raises(DepthError, match="counts its grey values of more than 8 bits from white: save it with 8"):
            to_rgb(image)


def test_a_refused_picture_is_named_before_anything_is_embedded(tmp_path: Path) -> None:
    Image.fromarray((RAMP / 255).astype(np.float32)).save(tmp_path / "dark.tif")
    images = FileImages(tmp_path, ("dark.tif",))
    for look in (images.identities, lambda: images.open(0)):
        with pytest.raises(DataError, match=r"dark\.tif .*has grey values from 0 to 1 of 0 to 255"):
            look()
    assert images.faults()[0].startswith("dark.tif (has grey values")
