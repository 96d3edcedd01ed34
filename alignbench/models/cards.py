"""Model cards: the checkpoints that the package knows by name, as data (`cards.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

FACTORS = ("architecture", "patch_size", "image_size", "loss", "language", "training_data")


@dataclass(frozen=True)
class Card:
    """One checkpoint.

    Attributes:
        name: Hugging Face id, `open_clip:ARCH/TAG`, or the name of a packaged model.
        family: Configuration type of transformers (`clip`, `chinese_clip` or `siglip`), or `open_clip`.
        architecture: Size and patch of the vision tower, e.g. `base-16`.
        patch_size: Side of a patch in pixels.
        image_size: Side of the input in pixels.
        loss: Activation of the contrastive loss, `softmax` or `sigmoid`.
        language: Language of the captions.
        training_data: Data that it was trained on.
        vision: Values of its vision configuration in transformers, enough to build it without a download.
        processor: Values of its image processor that differ from its family's defaults.
        open_clip: For a hub repository of open_clip: what matters of `model_cfg` in its `open_clip_config.json`.
        packaged: Folder inside the package, for a model that comes with it.
    """

    name: str
    family: str
    architecture: str
    patch_size: int
    image_size: int
    loss: str
    language: str
    training_data: str
    vision: dict[str, Any] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)
    open_clip: dict[str, Any] = field(default_factory=dict)
    packaged: str = ""

    @property
    def factors(self) -> dict[str, str | int]:
        """The factors of the study's grid by name, `FACTORS`."""
        return {name: getattr(self, name) for name in FACTORS}


@cache
def cards() -> dict[str, Card]:
    """Read all cards by name, in the order of the file."""
    text = files("alignbench.models").joinpath("cards.toml").read_text(encoding="utf-8")
    return {name: Card(name=name, **values) for name, values in tomllib.loads(text).items()}
