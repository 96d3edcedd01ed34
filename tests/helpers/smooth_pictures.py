"""A smooth picture, and damage to its PNG."""

import numpy as np
from PIL import Image


def smooth(size: tuple[int, int] = (96, 72)) -> Image.Image:
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def damage_png(data: bytearray, part: float) -> None:
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    data[start + 4 + int(part * length)] ^= 0x10
