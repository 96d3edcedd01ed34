"""Configurations of transformers' checkpoints: what settles the tower, each value of its kind, and nothing else.

What a configuration says of how outputs are handed out, how attention is computed, or in which type weights are held
is ours to say, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from transformers import CONFIG_MAPPING, PretrainedConfig

from alignbench.errors import ModelError, UsageError, one_line
from alignbench.models.cards import Card
from alignbench.models.checkpoints import read_settings
from alignbench.models.settings import (
    EMPTY,
    NULL,
    OBJECT,
    SIDE,
    TRUTH,
    WIDTH,
    Allowed,
    check_settings,
    either,
    number,
    one_of,
    whole,
)
from alignbench.models.transformers_layouts import LAYOUTS
from alignbench.models.transformers_settings import BACKBONE_SETTINGS, SHARE, SPREAD, TRANSFORMER

_TOKEN: Final = whole(2**22)
_VISION: Final = TRANSFORMER | {
    "projection_dim": WIDTH,
    "num_channels": whole(3, 3),
    "image_size": SIDE,
    "patch_size": SIDE,
    "attention_dropout": SHARE,
    "vision_use_head": TRUTH,
}
_TEXT: Final = TRANSFORMER | {
    "vocab_size": _TOKEN,
    "max_position_embeddings": _TOKEN,
    "type_vocab_size": _TOKEN,
    "pad_token_id": either(whole(2**22, 0), NULL),
    "hidden_dropout_prob": SHARE,
    "attention_probs_dropout_prob": SHARE,
}
_TEXT_READ: Final = _TEXT | {
    "projection_dim": WIDTH,
    "projection_size": WIDTH,
    "attention_dropout": SHARE,
    "bos_token_id": either(whole(2**22, 0), NULL),
    "eos_token_id": either(whole(2**22, 0), NULL),
    "position_embedding_type": one_of("absolute"),
}
_WHOLE: Final = {
    "projection_dim": WIDTH,
    "initializer_factor": SPREAD,
    "logit_scale_init_value": either(number(1000, -1000), NULL),
}
_ARCHITECTURES: Final = {
    "architectures": either(
        Allowed(
            "a list of names of classes",
            lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
        ),
        NULL,
    )
}
_CHANGING: Final = {"pruned_heads": EMPTY, "per_layer_config": EMPTY}  # what would change numbers, and is not followed
_HALVES: Final = {
    "vision_config": OBJECT,
    **dict.fromkeys(("vision_config_dict", "text_config", "text_config_dict"), either(OBJECT, NULL)),
}


def config_values(folder: Path) -> dict[str, Any]:
    """Read the values of the file from which transformers reads a checkpoint's configuration.

    Args:
        folder: The checkpoint's folder, which has a config.json; it may name another one for this release.

    Raises:
        ModelError: If it cannot be read.
    """
    read_settings(folder / "config.json")  # which transformers would open even if it is a pipe
    try:
        values: dict[str, Any] = PretrainedConfig.get_config_dict(folder)[0]
    except Exception as error:  # of odd values transformers makes errors of many kinds
        raise _unreadable(folder, error) from error
    return values


def read_config(name: str, folder: Path, *, texts: bool = False) -> PretrainedConfig:
    """Read the configuration of a checkpoint.

    Args:
        name: The model's name, for messages.
        folder: The checkpoint's folder.
        texts: Whether its text tower is wanted, which most towers of pictures do without.

    Raises:
        UsageError: If it is of no supported family.
        ModelError: If there is none, or it cannot be followed.
    """
    if not (folder / "config.json").exists():
        raise ModelError(
            f"{name} has no config.json: give a directory in Hugging Face format, or one with open_clip_config.json; a "
            "hub repository of open_clip is open_clip:hf-hub:NAME"
        )
    values = config_values(folder)
    kind: Any = values.get("model_type")
    if kind == "siglip2":
        raise UsageError(
            f"{name} is a NaFlex SigLIP 2, whose token count varies from image to image: use a fixed-resolution "
            "SigLIP 2 such as google/siglip2-base-patch16-224"
        )
    types = {layout.vision: _VISION for layout in LAYOUTS.values()} | BACKBONE_SETTINGS
    if not isinstance(kind, str) or kind not in types.keys() | LAYOUTS.keys():
        raise UsageError(f"{name} is of type '{kind}': supported are {', '.join((*LAYOUTS, *BACKBONE_SETTINGS))}")
    taken = _whole(name, values, texts) if kind in LAYOUTS else _taken(name, "", values, types[kind] | _ARCHITECTURES)
    try:
        config: PretrainedConfig = CONFIG_MAPPING[kind].from_dict(taken | {"_name_or_path": str(folder)})
    except Exception as error:
        raise _unreadable(folder, error) from error
    vision = getattr(config, "vision_config", config)
    if getattr(vision, "patch_size", 0) > getattr(vision, "image_size", 0):
        raise ModelError(
            f"config.json of {name} has patches of {vision.patch_size} pixels in pictures of {vision.image_size}: "
            "download it again"
        )
    heads = getattr(vision, "num_attention_heads", 1)
    if kind in BACKBONE_SETTINGS and getattr(vision, "hidden_size", heads) % heads:
        raise ModelError(
            f"config.json of {name} has {vision.hidden_size} channels for {heads} heads, which do not share them "
            "evenly: download it again"
        )
    return config


def _whole(name: str, values: Mapping[str, Any], texts: bool) -> dict[str, Any]:
    """What is taken of the configuration of a checkpoint with both towers."""
    check_settings(f"config.json of {name}", values, _HALVES)
    taken = _taken(name, "", values, _WHOLE | _ARCHITECTURES)
    halves = {"vision": _VISION} | ({"text": _TEXT} if values["model_type"] == "chinese_clip" else {})
    halves |= {"text": _TEXT_READ} if texts else {}
    for half, kinds in halves.items():
        for key in (f"{half}_config", f"{half}_config_dict"):  # where both are there, transformers prefers the other
            if values.get(key) is not None:
                taken[key] = _taken(name, f"{key} in ", values[key], kinds)
    return taken


def _taken(name: str, part: str, settings: Mapping[str, Any], kinds: Mapping[str, Allowed]) -> dict[str, Any]:
    what = f"{part}config.json of {name}"
    check_settings(what, settings, {**kinds, **_CHANGING})
    return {key: settings[key] for key in kinds if key in settings}


def card_config(card: Card) -> PretrainedConfig:
    """Make the configuration of a card, without a download."""
    vision, kind = dict(card.vision), CONFIG_MAPPING[card.family]
    halves = {"vision_config": vision, "projection_dim": vision.get("projection_dim", 512)}
    return kind.from_dict(halves if card.family in LAYOUTS else vision)


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"{folder / 'config.json'} cannot be read ({one_line(error)}): download it again")
