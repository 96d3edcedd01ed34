"""What a hooked tower gives, and a picture for it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alignbench.models.towers import Layer, Tower, tap


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Coarse noise in colour: rough enough that every way of resizing gives other pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def tapped(tower: Tower, pixels: Tensor) -> dict[str, Tensor]:
    """Features of a batch of prepared pictures by layer."""
    found: dict[str, Tensor] = {}

    def receive(layer: Layer, features: Tensor) -> None:
        found[layer.name] = features.clone()

    with tap(tower, tower.layers, receive), torch.inference_mode():
        tower(pixels)
    return found
