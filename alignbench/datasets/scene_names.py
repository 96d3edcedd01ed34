"""From the names of scenes of the packaged world back to the scenes: a name has everything that settles a picture."""

from __future__ import annotations

from collections.abc import Sequence

from alignbench.datasets import distortions, scenes
from alignbench.datasets.shapes import Drawing, SceneImages


def named_scenes(names: Sequence[str]) -> SceneImages | None:
    """Return the scenes that are named; none if one of the names is none of a scene.

    Args:
        names: Names, as `Drawing.name` gives them.
    """
    drawings = [_drawing(name) for name in names]
    known = tuple(each for each in drawings if each is not None)
    return SceneImages(known) if len(known) == len(names) else None


def _drawing(name: str) -> Drawing | None:
    words, _, damage = name.partition("+")
    try:
        count, size, colour, texture, shape, background, position, seed = words.split("-")
        scene = scenes.Scene(shape, colour, texture, int(count), size, position, background, int(seed))
        parts = damage.split("-") if damage else []
        found = Drawing(scene, (parts[0], int(parts[1]), int(parts[2])) if parts else None)
    except (ValueError, IndexError):
        return None
    is_known = all(getattr(scene, each) in values for each, values in scenes.ATTRIBUTES.items())
    if found.damage is not None:
        kind, level, _ = found.damage
        is_known &= kind in distortions.DISTORTIONS and 1 <= level <= distortions.LEVELS
    return found if is_known and found.name == name else None
