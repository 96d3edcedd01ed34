"""The model cards of transformers as tables, and the image processors of their checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoImageProcessor

from alignbench.models.cards import cards
from alignbench.models.towers import Tower
from reference import depths

FAMILIES = ("clip", "chinese_clip", "siglip")
every_family = pytest.mark.parametrize("family", FAMILIES)
# openclip_towers.py has the others
TRANSFORMERS = [name for name, card in cards().items() if card.family in FAMILIES or card.packaged]

# Blocks, tokens, channels, width of the projection, whether there is a class token, whether the projection has norm 1.
ARCHITECTURES = {
    "openai/clip-vit-base-patch16": (12, 197, 768, 512, True, False),
    "openai/clip-vit-base-patch32": (12, 50, 768, 512, True, False),
    "openai/clip-vit-large-patch14": (24, 257, 1024, 768, True, False),
    "openai/clip-vit-large-patch14-336": (24, 577, 1024, 768, True, False),
    "OFA-Sys/chinese-clip-vit-base-patch16": (12, 197, 768, 512, True, True),
    "google/siglip-base-patch16-224": (12, 196, 768, 768, False, True),
    "google/siglip2-base-patch16-224": (12, 196, 768, 768, False, True),
    "shapes-clip": (6, 65, 128, 64, True, False),
    "shapes-levels-vit": (4, 65, 64, 64, True, False),
}
BASE = [name for name in ARCHITECTURES if "base" in name]

# How each checkpoint's own preprocessor_config.json prepares pictures.
_CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_CROPPED = {
    "image_processor_type": "CLIPImageProcessor",
    "do_center_crop": True,
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "resample": 3,
    **_CLIP_COLOURS,
}
_SQUASHED = {"size": {"height": 224, "width": 224}, "resample": 3}
_SIGLIP = {
    "image_processor_type": "SiglipImageProcessor",
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    **_SQUASHED,
}
PREPARATIONS: dict[str, dict[str, Any]] = {
    "openai/clip-vit-base-patch16": _CROPPED,
    "openai/clip-vit-base-patch32": _CROPPED,
    "OFA-Sys/chinese-clip-vit-base-patch16": {
        "image_processor_type": "ChineseCLIPImageProcessor",
        "do_center_crop": False,
        **_SQUASHED,
        **_CLIP_COLOURS,
    },
    "google/siglip-base-patch16-224": _SIGLIP,
    "google/siglip2-base-patch16-224": _SIGLIP | {"resample": 2},
}


def pil_processor(folder: Path) -> Any:
    return AutoImageProcessor.from_pretrained(folder, backend="pil")


def processor_of(settings: dict[str, Any], folder: Path) -> Any:
    """The PIL image processor of a checkpoint with this preprocessor_config.json."""
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return pil_processor(folder)


def check_layers(tower: Tower, name: str) -> None:
    """Compares names, depths, tokens and channels with the table."""
    blocks, tokens, channels, width, class_token, unit_norm = ARCHITECTURES[name]
    assert tower.has_class_token == class_token
    assert [layer.name for layer in tower.layers] == list(depths(blocks))
    assert [layer.depth for layer in tower.layers] == pytest.approx(list(depths(blocks).values()))
    *inner, last = tower.layers
    assert {(layer.tokens, layer.channels, layer.unit_norm) for layer in inner} == {(tokens, channels, False)}
    assert (last.name, last.tokens, last.channels, last.unit_norm) == ("projection", 1, width, unit_norm)
