"""Scenes look the same everywhere, and a caption says what is in them."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alignbench.datasets import distortions, scenes

HERE = Path(__file__).parent


def pixels_digest() -> str:
    """A hash of some pictures and captions: scenes of every shape, and every distortion."""
    digest = hashlib.sha256()
    rng = np.random.default_rng(5)
    drawn = [scenes.sample_scene(rng) for _ in range(60)]
    assert {scene.shape for scene in drawn} == set(scenes.SHAPES)
    for scene in drawn:
        digest.update(scenes.render(scene).tobytes() + scenes.caption(scene, rng).encode())
    for number, distortion in enumerate(distortions.DISTORTIONS):
        digest.update(distortions.distort(scenes.render(drawn[number]), distortion, 3, seed=number).tobytes())
    return digest.hexdigest()


def test_pictures_are_the_same_in_every_call_and_process() -> None:
    program = "import test_scenes; print(test_scenes.pixels_digest())"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert pixels_digest() == pixels_digest() == elsewhere.stdout.strip()


@pytest.mark.parametrize("attribute", scenes.ATTRIBUTES)
def test_every_attribute_shows(attribute: str) -> None:
    rng = np.random.default_rng(0)
    base = scenes.sample_scene(rng)
    pictures = [scenes.render(scenes.Scene(**vars(base) | {attribute: v})) for v in scenes.ATTRIBUTES[attribute]]
    for a, b in itertools.combinations(pictures, 2):
        assert (a != b).any(axis=2).sum() > 15


def test_captions_say_the_words_of_the_vocabulary_and_all_of_them() -> None:
    rng = np.random.default_rng(0)
    said: set[str] = set()
    for _ in range(4000):
        scene = scenes.sample_scene(rng)
        said |= set(scenes.caption(scene, rng).split()) | set(scenes.caption(scene).split())
    assert said == set(scenes.vocabulary())
    assert len(set(scenes.vocabulary())) == len(scenes.vocabulary())


def test_a_full_caption_by_hand() -> None:
    scene = scenes.Scene("cross", "red", "striped", 2, "small", "top", "black", seed=1)
    assert scenes.caption(scene) == "two small red striped crosses on a black background at the top"
    alone = scenes.Scene("star", "blue", "plain", 1, "large", "left", "sandy", seed=1)
    assert scenes.caption(alone) == "one large blue plain star on a sandy background on the left"


def test_a_loose_caption_says_nothing_that_is_not_there() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        scene = scenes.sample_scene(rng)
        true = set(scenes.caption(scene).split()) | {"thing", "things"}
        true |= {scenes.KIND_OF[scene.shape], scenes.FAMILY_OF[scene.colour]}
        assert set(scenes.caption(scene, rng).split()) <= true
