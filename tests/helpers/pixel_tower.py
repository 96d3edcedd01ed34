"""A tower whose features anyone can work out: the mean colours of a picture and of its two halves."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from alignbench.arrays import Floats
from alignbench.models.preparation import Sized
from alignbench.models.towers import Layer, Tower

SIDE = 8


class PixelTower(Tower):
    """At `layer_0` the mean colours in [0, 1] of all (class token), left and right; the projection is twice the first.

    Args:
        broken: Brightness of the first pixel's red from which on the projection is not finite.
    """

    def __init__(self, broken: int = 256) -> None:
        super().__init__()
        self.tokens, self.last, self.broken = nn.Identity(), nn.Identity(), broken
        self.layers = (Layer("layer_0", 2.5, "tokens", 3, 3), Layer("projection", 100.0, "last", 1, 3))
        self.has_class_token, self.fingerprint, self.prepare = True, "pixels", Sized(SIDE)

    def forward(self, pixels: Tensor) -> Tensor:
        colours = pixels.float() / 255
        parts = (colours, colours[..., : SIDE // 2], colours[..., SIDE // 2 :])
        tokens: Tensor = self.tokens(torch.stack([part.mean(dim=(2, 3)) for part in parts], dim=1))
        projection = 2 * tokens[:, 0]
        projection[pixels[:, 0, 0, 0].int() >= self.broken] = torch.nan
        last: Tensor = self.last(projection)
        return last


def colours_of(image: Image.Image) -> Floats:
    """Mean colours of a picture as the tower sees it, of all, left and right, (3, 3)."""
    pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float64) / 255
    parts = (pixels, pixels[:, : SIDE // 2], pixels[:, SIDE // 2 :])
    return np.stack([part.mean(axis=(0, 1)) for part in parts])
