"""Weights of transformers' models: read from a checkpoint's folder into a model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
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
_HEADS: Final = ("classifier.", "cls_classifier.", "distillation_classifier.", "decoder.", "lm_head.")
_QUERIES: Final = tuple(
    (rf"\.attention\.attention\.{name}\.", f".attention.{name[0]}_proj.") for name in ("query", "key", "value")
)
_OUT: Final = (r"\.attention\.output\.dense\.", ".attention.o_proj.")
_VIT: Final = (  # by which transformers 5 renames what it saves under the names of transformers 4
    (r"\.encoder\.layer\.", ".layers."),
    *_QUERIES,
    _OUT,
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
)
_BEIT: Final = (
    (r"\.encoder\.relative_position_bias\.", ".shared_position_bias."),
    (r"\.attention\.attention\.relative_position_bias\.", ".relative_position_bias."),
    *_VIT,
)
_HALVES: Final = r"(\.mlp)\.weights_in\."  # two layers of a gated unit in one tensor, the gate first


def _backbone(prefix: str, parts: tuple[str, ...], *renamed: tuple[str, str]) -> Naming:
    """Names of a vision model without a text tower: with or without a prefix, its head beside it."""
    return Naming(
        family="transformers",
        vision=(f"{prefix}.",),
        bare=parts,
        beside=_HEADS,
        left_over=r".+\.(mask_token|relative_position_index)",
        optional=(f"{prefix}.pooler.", f"{prefix}.layernorm."),
        renamed=renamed,
    )


_EMBEDDED: Final = ("embeddings.", "encoder.", "layers.", "shared_position_bias.", "layernorm.", "pooler.")
NAMINGS: Final = {
    "vit": _backbone("vit", _EMBEDDED, *_VIT),
    "deit": _backbone("deit", _EMBEDDED, *_VIT),
    "vit_mae": _backbone("vit", _EMBEDDED, *_VIT),
    "beit": _backbone("beit", _EMBEDDED, *_BEIT),
    "dinov2": _backbone("dinov2", _EMBEDDED, *_QUERIES, _OUT, (r"\.mlp\.weights_out\.", ".mlp.down_proj.")),
    "dinov2_with_registers": _backbone(
        "dinov2_with_registers", _EMBEDDED, *_QUERIES, _OUT, (r"\.mlp\.weights_out\.", ".mlp.down_proj.")
    ),
    "dinov3_vit": _backbone(
        "dinov3_vit", ("embeddings.", "layer.", "norm."), (r"^dinov3_vit\.layer\.", "dinov3_vit.model.layer.")
    ),
    "convnext": _backbone("convnext", _EMBEDDED),
    "convnextv2": _backbone("convnextv2", _EMBEDDED),
    "resnet": _backbone("resnet", ("embedder.", "encoder.")),
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
TEXT_NAMINGS: Final = {
    kind: Naming(
        family="transformers",
        vision=("text_model.", "text_projection."),
        bare=(),
        beside=("vision_model.", "visual_projection.", "logit_scale", "logit_bias", "classifier."),
        left_over=r"text_model\.embeddings\.position_ids|text_model\.pooler\..+",  # of Chinese-CLIP's BERT
        optional=("text_projection.",),
        half="text",
    )
    for kind in ("clip", "chinese_clip", "siglip")
}
"""The same for text towers."""


@dataclass(frozen=True)
class ModelClass:
    """What a model is built from.

    Attributes:
        kind: The class of transformers that holds the tower.
        config: Its configuration.
        options: What it is given beside that.
    """

    kind: Any
    config: PretrainedConfig
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Any:
        """Build it, with weights drawn at random."""
        return self.kind(self.config, **self.options)


def load_weights(name: str, folder: Path, naming: Naming, model_class: ModelClass) -> Any:
    """Build a model with the weights of a checkpoint.

    Args:
        name: The checkpoint's name, for messages.
        folder: Its folder.
        naming: How its type names weights, one of `NAMINGS` or `TEXT_NAMINGS`.
        model_class: What it is built from.

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
    settings, other = config_values(folder), "text_config" if naming.half == "vision" else "vision_config"
    refuse_quantised_settings(name, {key: part for key, part in settings.items() if not key.startswith(other)})
    named = settings.get("transformers_weights")
    if named not in (None, *(path.name for path in files)):
        raise ModelError(
            f"config.json of {name} says that its weights are in {named} (transformers_weights), which is not read: "
            "save the checkpoint anew by save_pretrained"
        )
    listed = {key: folder / shard for key, shard in weight_map(first).items()} if shards else None
    given, _ = read_vision_half(name, files, naming, listed=listed)
    with torch.device("meta"):
        state = model_class.build().state_dict()
    own = {
        key: tensor for key, tensor in state.items() if not key.startswith(naming.beside) and tensor.is_floating_point()
    }
    # what a class calls its weights differs between versions of transformers, as what is saved does
    names = {key: naming.current(_family_name(key, naming)) for key in own}
    expected = {names[key]: tensor for key, tensor in own.items()}
    weights = fitted(name, expected, _with_halves(given, expected), naming)
    return _filled(name, model_class, {key: weights[ours] for key, ours in names.items()}, naming)


def _with_halves(given: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cut the tensors that hold two layers, where the tower has the two."""
    found: dict[str, Tensor] = {}
    for key, tensor in given.items():
        parts = {re.sub(_HALVES, rf"\1.{part}.", key): part for part in ("gate_proj", "up_proj")}
        if key in parts or not parts.keys() <= expected.keys() or tensor.ndim == 0 or len(tensor) % 2:
            found[key] = tensor
        else:
            found |= dict(zip(parts, tensor.chunk(2), strict=True))
    return found


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


def _filled(name: str, model_class: ModelClass, weights: dict[str, Tensor], naming: Naming) -> Any:
    """Let transformers build the model; what is drawn at random for the other tower is thrown away with it."""
    try:
        with torch.random.fork_rng(devices=[]):
            model, info = model_class.kind.from_pretrained(
                None,
                config=model_class.config,
                state_dict=weights,
                output_loading_info=True,
                dtype=torch.float32,
                **model_class.options,
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"the weights of {name} cannot be loaded: {one_line(error)}; download them again") from error
    counters = {key for key, tensor in model.state_dict().items() if not tensor.is_floating_point()}
    missing = set(info["missing_keys"]) - counters
    if any(not key.startswith(naming.beside) for key in missing) or info["unexpected_keys"]:
        raise RuntimeError(f"parts of {name} were not loaded")
    return model
