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
        name: Hugging Face id, `open_clip:ARCH/TAG`, `timm:NAME`, `torchvision:NAME`, or the name of a packaged model.
        family: Configuration type of transformers, e.g. `clip` or `dinov2`; or `open_clip`, `timm` or `torchvision`.
        architecture: Size and patch of the vision tower, e.g. `base-16`, or what the network is called.
        image_size: Side of the input in pixels.
        loss: What was minimised: the contrastive loss by its activation, `softmax` or `sigmoid`; `self-distillation`;
            or `cross-entropy` of classes.
        training_data: Data that it was trained on.
        patch_size: Side of a patch in pixels; none of a network of convolutions.
        language: Language of the captions; none where there were none.
        vision: Values of its vision configuration in transformers, enough to build it without a download.
        processor: Values of its image processor that differ from its family's defaults.
        open_clip: For a hub repository of open_clip: what matters of `model_cfg` in its `open_clip_config.json`.
        packaged: Folder inside the package, for a model that comes with it.
    """

    name: str
    family: str
    architecture: str
    image_size: int
    loss: str
    training_data: str
    patch_size: int | None = None
    language: str | None = None
    vision: dict[str, Any] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)
    open_clip: dict[str, Any] = field(default_factory=dict)
    packaged: str = ""

    @property
    def factors(self) -> dict[str, str | int]:
        """The factors of the study's grid by name, those of `FACTORS` that it has."""
        return {name: value for name in FACTORS if (value := getattr(self, name)) is not None}


@cache
def cards() -> dict[str, Card]:
    """Read all cards by name, in the order of the file.

    Examples:
        >>> from alignbench.models import cards
        >>> cards()["openai/clip-vit-base-patch32"].patch_size
        32
    """
    text = files("alignbench.models").joinpath("cards.toml").read_text(encoding="utf-8")
    return {name: Card(name=name, **values) for name, values in tomllib.loads(text).items()}
