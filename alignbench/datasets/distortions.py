"""Distortions of the packaged world's pictures: eight kinds, each of five levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.ndimage

from alignbench.arrays import Floats
from alignbench.datasets.scenes import Pixels

LEVELS: Final = 5


def distort(pixels: Pixels, distortion: str, level: int, seed: int) -> Pixels:
    """Damage a picture.

    Args:
        pixels: (H, W, 3) uint8; sides divisible by 8.
        distortion: A name in `DISTORTIONS`.
        level: 1 (slight) to 5 (severe).
        seed: Seed of the random distortions.

    Returns:
        The damaged picture, (H, W, 3) uint8.
    """
    damaged = DISTORTIONS[distortion](pixels / 255.0, level / LEVELS, np.random.default_rng(seed))
    return np.asarray(np.rint(np.clip(damaged, 0.0, 1.0) * 255.0), dtype=np.uint8)


def _noise(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    return image + rng.normal(0.0, 0.25 * strength, image.shape)


def _impulse(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    hit = rng.random(image.shape[:2]) < 0.12 * strength
    return np.where(hit[..., None], rng.integers(0, 2, image.shape[:2])[..., None], image)


def _blur(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    sigma = 2.5 * strength
    return np.asarray(scipy.ndimage.gaussian_filter(image, (sigma, sigma, 0.0)))


def _blocks(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Coarse quantisation of the cosine transform of 8 x 8 blocks, as strong compression does."""
    height, width, _ = image.shape
    blocks = image.reshape(height // 8, 8, width // 8, 8, 3)
    coefficients = scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")
    step = 1.2 * strength
    coefficients = np.rint(coefficients / step) * step
    return np.asarray(scipy.fft.idctn(coefficients, axes=(1, 3), norm="ortho")).reshape(image.shape)


def _mosaic(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    cell = 1 + round(strength * LEVELS)
    rows = np.minimum(np.arange(image.shape[0]) // cell * cell + cell // 2, image.shape[0] - 1)
    columns = np.minimum(np.arange(image.shape[1]) // cell * cell + cell // 2, image.shape[1] - 1)
    return np.asarray(image[rows][:, columns])


def _contrast(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    mean = image.mean(axis=(0, 1))
    return np.asarray(mean + (image - mean) * (1.0 - 0.8 * strength))


def _saturation(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    grey = image.mean(axis=2, keepdims=True)
    return np.asarray(grey + (image - grey) * (1.0 - strength))


def _brightness(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    return np.asarray(image + 0.4 * strength * (1.0 if image.mean() < 0.5 else -1.0))


DISTORTIONS: Final[dict[str, Callable[[Floats, float, np.random.Generator], Floats]]] = {
    "noise": _noise,
    "impulse": _impulse,
    "blur": _blur,
    "blocks": _blocks,
    "mosaic": _mosaic,
    "contrast": _contrast,
    "saturation": _saturation,
    "brightness": _brightness,
}
