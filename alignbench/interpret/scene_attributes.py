"""Pictures and texts of the packaged world whose attributes are known, for heads of a model that has learned them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from alignbench.datasets import scenes
from alignbench.datasets.shapes import Drawing, SceneImages

SEED: Final = 19  # no scene of the packaged judgments is among these


def attribute_scenes(count: int, seed: int = SEED) -> tuple[SceneImages, dict[str, list[object]]]:
    """Draw scenes with every attribute at random.

    Args:
        count: How many.
        seed: Of the draws.

    Returns:
        The pictures, and the values of each attribute, in their order.
    """
    rng = np.random.default_rng(seed)
    drawn = [scenes.sample_scene(rng) for _ in range(count)]
    values: dict[str, list[object]] = {name: [getattr(scene, name) for scene in drawn] for name in scenes.ATTRIBUTES}
    return SceneImages(tuple(map(Drawing, drawn))), values


def attribute_texts() -> dict[str, str]:
    """Return texts that name a single attribute each, with the name of that attribute."""
    return {
        text: name for name, values in scenes.ATTRIBUTES.items() for value in values for text in _texts(name, value)
    }


def _texts(name: str, value: object) -> Iterator[str]:
    """The value alone, and said of things; in the singular and the plural, unless the number is what is said."""
    said = scenes.words_of(name, value)
    yield said
    match name:
        case "count":
            yield f"{said} thing" if value == 1 else f"{said} things"
        case "shape":
            yield f"a {said}"
        case "position" | "background":
            yield from (f"thing {said}", f"things {said}")
        case _:
            yield from (f"{said} thing", f"{said} things")
