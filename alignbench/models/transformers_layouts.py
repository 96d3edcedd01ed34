"""Where each type of model keeps its modules in transformers 5, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Layout:
    """Where one type of model keeps its modules, and what they give.

    Attributes:
        full: Configuration type of a checkpoint with its text tower.
        vision: Configuration type of a vision tower saved alone.
        prefix: Path of the vision tower in our wrapper.
        first: Module whose output is `layer_0`.
        projection: Module whose output is the projection.
        pooling: What the projection is, in words.
        class_token: Whether token 0 is a class token.
        unit_norm: Whether the projection is divided by its norm.
    """

    full: str
    vision: str
    prefix: str
    first: str
    projection: str
    pooling: str
    class_token: bool
    unit_norm: bool


LAYOUTS: Final = {
    "clip": Layout(
        full="clip",
        vision="clip_vision_model",
        prefix="model.vision_model",
        first="pre_layrnorm",
        projection="model.visual_projection",
        pooling="class token after the last norm, projected",
        class_token=True,
        unit_norm=False,
    ),
    "chinese_clip": Layout(
        full="chinese_clip",
        vision="chinese_clip_vision_model",
        prefix="model.vision_model",
        first="pre_layrnorm",
        projection="model.visual_projection",
        pooling="class token after the last norm, projected",
        class_token=True,
        unit_norm=True,
    ),
    "siglip": Layout(
        full="siglip",
        vision="siglip_vision_model",
        prefix="model",
        first="embeddings",
        projection="model.head",
        pooling="attention pooling over all tokens",
        class_token=False,
        unit_norm=True,
    ),
}
