"""Pictures of more than 8 bits become those of 8, and damage is noticed."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.images import FileImages, to_rgb
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


@pytest.mark.parametrize("step", [256, 257])
def test_16_bit_ramp_becomes_the_8_bit_ramp(tmp_path: Path, step: int) -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(ramp * step).save(tmp_path / "ramp.png")
    with Image.open(tmp_path / "ramp.png") as image:
        found = np.asarray(to_rgb(image))
    assert np.array_equal(found, np.repeat(ramp[..., None], 3, axis=2))
    assert np.array_equal(found, np.asarray(FileImages(tmp_path, ("ramp.png",)).open(0)))


def test_dark_16_bit_picture_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16)).save(tmp_path / "dark.png")
    assert np.asarray(FileImages(tmp_path, ("dark.png",)).open(0)).max() <= 1
