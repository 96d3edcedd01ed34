"""Weights of transformers' CLIP, Chinese-CLIP and SigLIP: read from a checkpoint's folder into a model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import PretrainedConfig

from alignbench.errors import AlignbenchWarning, ModelError, one_line, shortened
from alignbench.models.checkpoints import unread_weights, weight_files, weight_map
from alignbench.models.quantisation import refuse_quantised_settings
from alignbench.models.transformers_config import config_values
from alignbench.models.vision_weights import fitted, read_vision_half, refuse_adapter_files
from alignbench.models.weight_names import Naming

_EMBEDDINGS: Final = ("class_embedding", "patch_embedding.", "position_embedding.", "position_ids")
_BARE: Final = (*(f"embeddings.{each}" for each in _EMBEDDINGS), "encoder.layers.", "pre_layrnorm.", "post_layernorm.")
_BESIDE: Final = ("text_model.", "text_projection.", "logit_scale", "logit_bias", "classifier.")
_LEFT_OVER: Final = r"vision_model\.embeddings\.position_ids"
_CLIP: Final = Naming(
    family="transformers",
    vision=("vision_model.", "visual_projection."),
    bare=_BARE,
    beside=_BESIDE,
    left_over=_LEFT_OVER,
    optional=("visual_projection.",),
)
NAMINGS: Final = {
    "clip": _CLIP,
    "chinese_clip": _CLIP,
    "siglip": Naming(
        family="transformers",
        vision=("vision_model.",),
        bare=(*_BARE, "head."),
        beside=_BESIDE,
        left_over=_LEFT_OVER,
        optional=("vision_model.head.",),
    ),
}
"""How each type of model names its weights, and what a tower may leave over."""


def load_weights(name: str, folder: Path, family: str, kind: Any, config: PretrainedConfig) -> Any:
    """Build a model with the weights of a checkpoint.

    Args:
        name: The checkpoint's name, for messages.
        folder: Its folder.
        family: Its type, a key of `NAMINGS`.
        kind: The class of transformers that holds the tower.
        config: The configuration it is built from.

    Raises:
        ModelError: If the weights cannot be read, would run code, or are not exactly those of the tower in plain types.
    """
    refuse_adapter_files(name, folder)
    first, *shards = weight_files(folder) or (None,)
    if first is None:
        raise ModelError(
            f"{name} lacks its weights, or some of the files that its index lists: put model.safetensors beside "
            "config.json, download it again, or use --random-init"
        )
    files = shards or [first]
    _say_unread(name, folder, first)
    settings = config_values(folder)
    refuse_quantised_settings(name, {key: part for key, part in settings.items() if not key.startswith("text_config")})
    named = settings.get("transformers_weights")
    if named not in (None, *(path.name for path in files)):
        raise ModelError(
            f"config.json of {name} says that its weights are in {named} (transformers_weights), which is not read: "
            "save the checkpoint anew by save_pretrained"
        )
    naming = NAMINGS[family]
    listed = {key: folder / shard for key, shard in weight_map(first).items()} if shards else None
    given, _ = read_vision_half(name, files, naming, listed=listed)
    with torch.device("meta"):
        own = {key: tensor for key, tensor in kind(config).state_dict().items() if not key.startswith(_BESIDE)}
    names = {key: _family_name(key, naming) for key in own}
    weights = fitted(name, {names[key]: tensor for key, tensor in own.items()}, given, naming)
    return _filled(name, kind, config, {key: weights[ours] for key, ours in names.items()})


def _say_unread(name: str, folder: Path, first: Path) -> None:
    """Say which weights are read where there are others; shards of which an index does not know are refused."""
    unread = [path.name for path in unread_weights(folder)]
    if not unread:
        return
    if first.suffix == ".json" and any(path.startswith(f"{first.name.partition('.')[0]}-") for path in unread):
        raise ModelError(
            f"{name} has files of weights of which its index {first.name} does not know ({unread[0]}): take them away, "
            "or download the checkpoint again"
        )
    warnings.warn(
        f"the weights of {name} are read from {first.name}, as transformers does, and not from "
        f"{shortened(', '.join(unread))}: keep those alone that are meant",
        AlignbenchWarning,
        stacklevel=2,
    )


def _family_name(key: str, naming: Naming) -> str:
    """The name of a weight in a whole checkpoint; classes of a tower alone leave out its first part."""
    return key if key.startswith(naming.vision) else naming.vision[0] + key


def _filled(name: str, kind: Any, config: PretrainedConfig, weights: dict[str, Tensor]) -> Any:
    """Let transformers build the model; what is drawn at random for a text tower is thrown away with it."""
    try:
        with torch.random.fork_rng(devices=[]):
            model, info = kind.from_pretrained(
                None, config=config, state_dict=weights, output_loading_info=True, dtype=torch.float32
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"the weights of {name} cannot be loaded: {one_line(error)}; download them again") from error
    if any(not key.startswith(_BESIDE) for key in info["missing_keys"]) or info["unexpected_keys"]:
        raise RuntimeError(f"parts of {name} were not loaded")
    return model
