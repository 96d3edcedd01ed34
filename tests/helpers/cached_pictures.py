"""Picture files that count how often they are opened, read with the pixel cache and without it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alignbench.datasets.images import FileImages
from alignbench.extraction.cached_pixels import entry_bytes
from alignbench.extraction.pixel_cache import PixelCache, Stock
from alignbench.models.preparation import Sized

Prepare = Callable[[Image.Image], Tensor]
PLENTY = 10**9
SIDE = 32
ENTRY = entry_bytes((3, SIDE, SIDE))
SIZES = [(57, 40), (33, 97), (32, 32), (80, 35), (64, 64), (31, 200), (32, 35), (120, 90)]


@dataclass(frozen=True)
class CountedFiles(FileImages):
    """Pictures that count how often each is opened."""

    opened: Counter[int] = field(default_factory=Counter, compare=False)

    def open(self, index: int) -> Image.Image:
        self.opened[index] += 1
        return super().open(index)


def write_pictures(root: Path) -> tuple[str, ...]:
    """Pictures of all sizes and of several formats and modes."""
    root.mkdir()
    rng = np.random.default_rng(0)
    names = []
    for number, (width, height) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image, name = Image.fromarray(pixels), f"{number}.{('jpg', 'png', 'bmp')[number % 3]}"
        if number == 1:
            image = image.convert("L")
        if number == 4:
            image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(root / name)
        names.append(name)
    return tuple(names)


def cache_at(place: Path, size: int = PLENTY) -> PixelCache:
    cache = PixelCache.open(place, size)
    assert cache is not None
    return cache


def stock_of(place: Path, images: FileImages, prepare: Prepare | None = None, size: int = PLENTY) -> Stock:
    stock = cache_at(place, size).stock(images, prepare or Sized(SIDE))
    assert stock is not None
    return stock


def read_all(stock: Stock) -> list[Tensor]:
    return [stock.pixels(index) for index in range(len(stock.pixels.images.names))]


def plainly(images: FileImages, prepare: Prepare | None = None) -> list[Tensor]:
    plain = FileImages(images.root, images.names)
    return [(prepare or Sized(SIDE))(plain.open(index)) for index in range(len(images.names))]


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


def files_in(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def write_open_clip(folder: Path, **preprocess: Any) -> str:
    """What a directory of open_clip needs for its pictures to be prepared; weights are not looked for."""
    vision = {"layers": 1, "width": 8, "head_width": 8, "patch_size": 8, "image_size": SIDE}
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": vision, "text_cfg": {}}, "preprocess_cfg": preprocess}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return str(folder)
