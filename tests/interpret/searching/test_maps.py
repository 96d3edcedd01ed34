"""Maps against plain loops, their interpolation against torch, and the picture that they are laid over."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from alignbench.errors import UsageError
from alignbench.interpret.searching.maps import contrastive_map, overlay, patch_grid, topic_map, upsampled

RNG = np.random.default_rng(2)
PATCHES = RNG.normal(size=(6, 3, 4))  # patches, heads, numbers
FIRST, SECOND = RNG.normal(size=(2, 4))


def test_a_topic_is_the_product_of_each_patch() -> None:
    wanted = [sum(float(PATCHES[patch, head] @ FIRST) for head in range(3)) for patch in range(6)]
    np.testing.assert_allclose(topic_map(PATCHES, FIRST), wanted)
    np.testing.assert_allclose(topic_map(PATCHES[:, 1:2], FIRST), PATCHES[:, 1] @ FIRST)
    summed = PATCHES.sum(axis=1)
    cosines = [row @ FIRST / np.linalg.norm(row) / np.linalg.norm(FIRST) for row in summed]
    np.testing.assert_allclose(topic_map(PATCHES, FIRST, "cosine"), cosines)


def test_a_contrast_is_a_difference() -> None:
    wanted = [float(row @ FIRST - row @ SECOND) for row in PATCHES.sum(axis=1)]
    np.testing.assert_allclose(contrastive_map(PATCHES, FIRST, SECOND), wanted)


def test_patches_lie_row_by_row() -> None:
    values = np.arange(6.0)
    assert patch_grid(values, 20, 30).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert patch_grid(np.arange(4.0), 8, 8).shape == (2, 2)
    for height, width in ((20, 20), (10, 40)):
        with pytest.raises(UsageError, match="6 patches do not fill a picture of"):
            patch_grid(values, height, width)


def test_interpolation_is_that_of_torch() -> None:
    grid = RNG.normal(size=(2, 3))
    wanted = interpolate(torch.from_numpy(grid)[None, None], size=(10, 15), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(upsampled(grid, 10, 15), wanted[0, 0], atol=1e-12)
    np.testing.assert_allclose(upsampled(np.full((3, 3), 2.0), 7, 5), np.full((7, 5), 2.0))


def test_the_overlay_is_red_above_zero_and_blue_below() -> None:
    pixels = np.full((3, 8, 8), 100, dtype=np.uint8)
    grid = np.array([[1.0, -1.0], [0.0, 0.0]])
    found = np.asarray(overlay(pixels, grid)).astype(int)
    assert found.shape == (8, 8, 3)
    assert found[0, 0].tolist() == [round(30 + 0.7 * 255 * part) for part in (0.85, 0.1, 0.1)]
    assert found[0, 7].tolist() == [round(30 + 0.7 * 255 * part) for part in (0.1, 0.25, 0.85)]
    assert (found[7] == 100).all()
    assert (np.asarray(overlay(pixels, np.zeros((2, 2)))) == 100).all()
