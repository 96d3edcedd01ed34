"""Small checkpoints of transformers' vision models without a text tower, and what transformers itself makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

_TOKENS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
_VIT = _TOKENS | {"intermediate_size": 32}
_STAGES = {"hidden_sizes": [8, 8, 16, 24], "depths": [1, 2, 1, 1]}
_RELATIVE = _VIT | {"use_relative_position_bias": True, "use_mask_token": True}


@dataclass(frozen=True)
class Kind:
    """A small model: what its classes are called, its values, and the tokens before those of patches.

    Attributes:
        classes: What the names of its classes begin with.
        values: Values of its configuration.
        prefix: Class token and what is beside it; none of a network with stages.
        heads: What the names of its other classes, saved with a head, end with.
    """

    classes: str
    values: dict[str, Any]
    prefix: int | None
    heads: tuple[str, ...] = ("ForImageClassification",)


KINDS = {
    "vit": Kind("ViT", _VIT, 1, ("ForImageClassification", "ForMaskedImageModeling")),
    "deit": Kind("DeiT", _VIT, 2, ("ForImageClassification", "ForImageClassificationWithTeacher")),
    "vit_mae": Kind(
        "ViTMAE", _VIT | {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1}, 1, ("ForPreTraining",)
    ),
    "beit": Kind("Beit", _RELATIVE, 1),
    "beit-shared": Kind("Beit", _VIT | {"use_shared_relative_position_bias": True, "use_mean_pooling": False}, 1),
    "beit-absolute": Kind("Beit", _VIT | {"use_absolute_position_embeddings": True}, 1),
    "dinov2": Kind("Dinov2", _TOKENS | {"mlp_ratio": 2}, 1),
    "dinov2-gated": Kind("Dinov2", _TOKENS | {"mlp_ratio": 2, "use_swiglu_ffn": True}, 1),
    "dinov2_with_registers": Kind("Dinov2WithRegisters", _TOKENS | {"num_register_tokens": 3}, 4),
    "dinov3_vit": Kind("DINOv3ViT", _VIT | {"num_register_tokens": 4}, 5, ()),
    "dinov3-gated": Kind("DINOv3ViT", _VIT | {"num_register_tokens": 0, "use_gated_mlp": True}, 1, ()),
    "convnext": Kind("ConvNext", _STAGES | {"image_size": 32}, None),
    "convnextv2": Kind("ConvNextV2", _STAGES, None),
    "resnet": Kind("ResNet", _STAGES | {"embedding_size": 8}, None),
    "resnet-basic": Kind("ResNet", _STAGES | {"embedding_size": 8, "layer_type": "basic"}, None),
}
SQUASHED = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}


def save_backbone(folder: Path, kind: str, ending: str = "Model", **changes: Any) -> Path:
    """Save a small checkpoint in which every number is drawn at random.

    Args:
        folder: Where.
        kind: A key of `KINDS`.
        ending: What the name of its class ends with.
        **changes: Values of its configuration.
    """
    made = KINDS[kind]
    config = getattr(transformers, f"{made.classes}Config")(**made.values | changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = getattr(transformers, made.classes + ending)(config)
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if tensor.is_floating_point():
                    tensor.copy_(
                        torch.rand_like(tensor) + 0.5 if "running_var" in name else torch.randn_like(tensor) / 5
                    )
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(SQUASHED))
    return folder


def states_of_transformers(folder: Path, pixel_values: Tensor) -> dict[str, Tensor]:
    """The hidden states of a checkpoint by transformers, as tokens, and what its own pooling gives."""
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    further = {}
    if model.config.model_type == "vit_mae":
        model.config.mask_ratio = 0.0
        further["noise"] = torch.linspace(0, 1, 16).expand(len(pixel_values), -1)
    with torch.inference_mode():
        output = model(pixel_values, output_hidden_states=True, **further)
    maps = output.hidden_states[0].ndim == 4
    states = [state.flatten(2).transpose(1, 2) if maps else state for state in output.hidden_states]
    names = ["stem", *(f"stage_{stage}" for stage in range(1, 5))] if maps else [f"layer_{n}" for n in range(3)]
    with_tanh = model.config.model_type in ("vit", "deit")  # a layer behind the class token, which classifiers lack
    pooled = None if with_tanh else getattr(output, "pooler_output", None)
    projection = output.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)
    return dict(zip(names, states, strict=True)) | {"projection": projection[:, None]}
