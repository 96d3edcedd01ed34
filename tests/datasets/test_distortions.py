"""Distortions grow with their level, come from their seed, and do to small pictures what is worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.datasets import scenes
from alignbench.datasets.distortions import DISTORTIONS, distort
from alignbench.datasets.scenes import Pixels, Scene
from alignbench.datasets.shapes import LOW, Drawing, SceneImages


@pytest.fixture(scope="module")
def drawings() -> tuple[Drawing, ...]:
    """The drawings of the `test` of `shapes-low`."""
    images = LOW.read(None, ("test",)).images
    assert isinstance(images, SceneImages)
    return images.drawings


@pytest.fixture(scope="module")
def originals(drawings: tuple[Drawing, ...]) -> dict[Scene, Pixels]:
    """The picture of each scene, drawn once."""
    return {drawing.scene: scenes.render(drawing.scene) for drawing in drawings if drawing.damage is None}


def flat(value: int) -> Pixels:
    return np.full((64, 64, 3), value, dtype=np.uint8)


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_each_level_of_a_distortion_is_farther_from_the_reference(
    distortion: str, drawings: tuple[Drawing, ...], originals: dict[Scene, Pixels]
) -> None:
    by_level: dict[int, list[float]] = {level: [] for level in range(1, 6)}
    for drawing in drawings:
        if drawing.damage and drawing.damage[0] == distortion:
            original = originals[drawing.scene]
            damaged = distort(original, *drawing.damage)
            by_level[drawing.damage[1]].append(np.sqrt(((damaged - original.astype(np.float64)) ** 2).mean()))
    means = [np.mean(distances) for distances in by_level.values()]
    assert [len(distances) for distances in by_level.values()] == [25] * 5
    assert means[0] > 0.5
    assert (np.diff(means) > 0).all(), means


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_only_what_is_random_depends_on_the_seed(distortion: str) -> None:
    picture = scenes.render(scenes.sample_scene(np.random.default_rng(0)))
    before = picture.copy()
    first, again, other = (distort(picture, distortion, 3, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (distortion not in ("noise", "impulse"))
    np.testing.assert_array_equal(picture, before, err_msg="the picture itself is left alone")


def test_noise_spreads_by_a_twentieth_of_the_range_a_level() -> None:
    added = distort(flat(128), "noise", 2, seed=0).astype(np.float64) - 128.0
    spread, count = 0.1 * 255.0, added.size
    assert abs(added.mean()) < 4 * spread / np.sqrt(count)
    assert added.std() == pytest.approx(spread, rel=4 / np.sqrt(2 * count) + 0.001)  # and whole numbers add 1/12


def test_impulses_are_black_or_white_and_the_rest_is_left_alone() -> None:
    damaged = distort(flat(128), "impulse", 5, seed=0)
    assert (damaged == damaged[..., :1]).all(), "the three channels of a pixel are hit together"
    black, white = ((damaged[..., 0] == value).mean() for value in (0, 255))
    assert ((damaged == 128) | (damaged == 0) | (damaged == 255)).all()
    for share in (black, white):
        assert share == pytest.approx(0.06, abs=4 * np.sqrt(0.06 * 0.94 / 64**2))


def test_mosaic_takes_the_middle_of_each_cell() -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None], (64, 64, 3))
    cells = {1: np.repeat(np.arange(1, 64, 2), 2), 5: np.minimum(np.repeat(np.arange(3, 70, 6), 6)[:64], 63)}
    for level, expected in cells.items():  # cells of 2 and of 6 pixels, of which the last is cut
        damaged = distort(ramp, "mosaic", level, seed=0)
        np.testing.assert_array_equal(damaged, np.broadcast_to(expected[:, None, None], (64, 64, 3)))
        turned = distort(ramp.transpose(1, 0, 2), "mosaic", level, seed=0)
        np.testing.assert_array_equal(turned, damaged.transpose(1, 0, 2))


def test_blocks_are_quantised_each_by_itself() -> None:
    picture = flat(128)
    picture[:8, 8:16] = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    damaged = distort(picture, "blocks", 5, seed=0)
    rest = np.ones((64, 64), dtype=np.bool_)
    rest[:8, 8:16] = False
    # the first coefficient of a flat block is 8 * 128 / 255 = 4.016, three steps of 1.2, and 3.6 / 8 * 255 = 114.75
    assert (damaged[rest] == 115).all()
    assert (damaged[~rest] != 115).any()


@pytest.mark.parametrize(
    ("distortion", "level", "low", "high"),
    [
        ("contrast", 1, 16, 184),  # 0.84 of what two halves of 0 and 200 are off their mean
        ("contrast", 5, 80, 120),
        ("brightness", 1, 20, 220),  # 0.08 of 255 is added where the mean is below the middle
        ("brightness", 5, 102, 255),  # 302 is cut
        ("saturation", 5, 0, 200),  # a grey has none
    ],
)
def test_values_of_two_halves_by_hand(distortion: str, level: int, low: int, high: int) -> None:
    picture = flat(0)
    picture[:, 32:] = 200
    expected = flat(low)
    expected[:, 32:] = high
    np.testing.assert_array_equal(distort(picture, distortion, level, seed=0), expected)


def test_a_bright_picture_is_darkened_and_colours_turn_grey() -> None:
    np.testing.assert_array_equal(distort(flat(200), "brightness", 5, seed=0), flat(98))
    coloured = flat(0)
    coloured[..., 0] = 200
    np.testing.assert_array_equal(distort(coloured, "saturation", 5, seed=0), flat(67))  # a third of 200
