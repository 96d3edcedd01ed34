"""Vision models of transformers without a text tower: what they are built from, and where their layers are.

Transformers are read before their last norm, as `output_hidden_states` has them; networks with stages where a stage
ends, and at every block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
import transformers
from torch import Tensor, nn
from transformers import PretrainedConfig

from alignbench.errors import ModelError
from alignbench.models.module_outputs import Tap, passed_at
from alignbench.models.module_plan import ModulePlan, find_layers
from alignbench.models.towers import Layer, Tower, block_depths

_CLASS_TOKEN: Final = "class token after the last norm"
_PATCHES: Final = "average over the patches after the last block, then the last norm"
_MAP: Final = "average over the last map"


@dataclass(frozen=True)
class Backbone:
    """Where one type of model keeps its modules, and what they give.

    Attributes:
        model: Name of the class that holds it, in transformers.
        blocks: Path of the list of its blocks; of a network with stages, of the list of its stages.
        pooling: What its projection is, in words.
        projection: Module that gives the projection; where that is the class token, the last norm.
        stem: What gives the first stage its input; empty of a transformer.
        one_size: Whether it takes pictures of the size in its configuration alone. Where it does not, it is given what
            its image processor makes, and moves its position embeddings to that as it always does.
    """

    model: str
    blocks: str
    pooling: str
    projection: str
    stem: str = ""
    one_size: bool = False


BACKBONES: Final[Mapping[str, Backbone]] = MappingProxyType(
    {
        "vit": Backbone("ViTModel", "layers", _CLASS_TOKEN, "layernorm", one_size=True),
        "deit": Backbone("DeiTModel", "layers", _CLASS_TOKEN, "layernorm", one_size=True),
        "vit_mae": Backbone("ViTMAEModel", "layers", _CLASS_TOKEN, "layernorm", one_size=True),
        "beit": Backbone("BeitModel", "layers", _CLASS_TOKEN, "pooler"),
        "dinov2": Backbone("Dinov2Model", "encoder.layer", _CLASS_TOKEN, "layernorm"),
        "dinov2_with_registers": Backbone("Dinov2WithRegistersModel", "encoder.layer", _CLASS_TOKEN, "layernorm"),
        "dinov3_vit": Backbone("DINOv3ViTModel", "model.layer", _CLASS_TOKEN, "norm"),
        "convnext": Backbone("ConvNextModel", "encoder.stages", f"{_MAP}, normed", "layernorm", "embeddings"),
        "convnextv2": Backbone("ConvNextV2Model", "encoder.stages", f"{_MAP}, normed", "layernorm", "embeddings"),
        "resnet": Backbone("ResNetModel", "encoder.stages", _MAP, "pooler", "embedder"),
    }
)
"""By the type in a configuration."""

INNER: Final = "model.backbone"
"""Path of the model of transformers in a tower."""


def model_options(config: PretrainedConfig) -> dict[str, Any]:
    """Return what the class of a backbone is given beside its configuration; masking is turned off in that.

    Args:
        config: The configuration of a type in `BACKBONES`.
    """
    if config.model_type == "vit_mae":
        config.mask_ratio = 0.0
    if config.model_type in ("vit", "deit"):
        return {"add_pooling_layer": False}  # a layer with tanh behind the class token, which classifiers lack
    if config.model_type == "beit":
        masked = (config.architectures or [""])[0] == "BeitForMaskedImageModeling"  # saved without its pooling
        return {"add_pooling_layer": not masked}
    return {}


class _ClassToken(nn.Module):
    """Picks the class token."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return token 0 of (B, tokens, channels)."""
        return tokens[:, 0]


class _WithPooling(nn.Module):
    """A model of transformers, and a module for the class token, which its own pooling does not have.

    Args:
        backbone: The model.
        picks: Whether the projection is the class token after the last norm.
    """

    def __init__(self, backbone: nn.Module, picks: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = _ClassToken() if picks else None

    def forward(self, pixel_values: Tensor) -> object:
        output = self.backbone(pixel_values, **self._in_order(pixel_values))
        return output if self.pooling is None else self.pooling(output.last_hidden_state)

    def _in_order(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """What keeps a masked autoencoder from shuffling patches: it sorts them by noise, and here that increases."""
        if not isinstance(self.backbone, transformers.ViTMAEModel):
            return {}
        patches = self.backbone.embeddings.patch_embeddings.num_patches
        noise = torch.arange(patches, dtype=torch.float32, device=pixel_values.device)
        return {"noise": noise.expand(len(pixel_values), -1)}


def wrapped(model: nn.Module, config: PretrainedConfig) -> nn.Module:
    """Put a backbone where `INNER` says, with what gives its projection.

    Args:
        model: The model of transformers.
        config: Its configuration.
    """
    backbone = BACKBONES[config.model_type]
    return _WithPooling(model, not backbone.stem and backbone.projection != "pooler")


def describe_layers(tower: Tower, config: PretrainedConfig, side: int) -> None:
    """Set a tower's layers, and what is said of them.

    Args:
        tower: Has as `model` what `wrapped` made, and takes (B, 3, side, side) uint8.
        config: The configuration of the backbone.
        side: See there, in pixels.

    Raises:
        ModelError: If that is less than a patch.
    """
    backbone = BACKBONES[config.model_type]
    tower.roots, tower.pooling = {"": INNER}, backbone.pooling
    if backbone.stem:
        tower.layers, tower.blocks = find_layers(_plan(backbone, config), tower, side)
        return
    tower.has_class_token = True
    tower.registers = int(getattr(config, "num_register_tokens", 0)) + (config.model_type == "deit")  # distillation's
    if side < config.patch_size:
        raise ModelError(
            f"config.json has patches of {config.patch_size} pixels, and pictures are prepared to {side} x {side}: "
            "correct one of the two, or download the checkpoint again"
        )
    patches = (side // int(config.patch_size)) ** 2  # which is verified below
    tokens, width, blocks = patches + tower.prefix_tokens, int(config.hidden_size), int(config.num_hidden_layers)
    places = [Tap(f"{INNER}.{backbone.blocks}.0", is_input=True)]
    places += [Tap(f"{INNER}.{backbone.blocks}.{block}") for block in range(blocks)]
    layers = [
        Layer(f"layer_{index}", depth, place.module, tokens, width, is_input=place.is_input)
        for index, (depth, place) in enumerate(zip(block_depths(blocks), places, strict=True))
    ]
    if config.model_type != "beit":
        layers.append(Layer("projection", 100.0, "model.pooling", 1, width))
    elif model_options(config)["add_pooling_layer"]:
        layers.append(Layer("projection", 100.0, f"{INNER}.{backbone.projection}", 1, width))
        tower.pooling = _PATCHES if config.use_mean_pooling else _CLASS_TOKEN
    shapes: dict[Tap, tuple[int, ...]] = {
        Tap(layer.module, layer.is_input): (width,) if layer.one_token else (tokens, width) for layer in layers
    }
    for passed in passed_at(tower, list(shapes), (side, side)):
        if passed.shape[1:] != shapes[passed.place]:
            raise RuntimeError(f"{passed.place.module} gives {passed.shape[1:]}, and not {shapes[passed.place]}")
    tower.layers = tuple(layers)


def _plan(backbone: Backbone, config: PretrainedConfig) -> ModulePlan:
    inner = INNER.removeprefix("model.")
    stages = tuple(f"{inner}.{backbone.blocks}.{stage}" for stage in range(len(config.depths)))
    blocks = tuple(
        f"{stage}.layers.{block}"
        for stage, depth in zip(stages, config.depths, strict=True)
        for block in range(int(depth))
    )
    return ModulePlan(
        blocks, stages, f"{inner}.{backbone.stem}", Tap(f"{inner}.{backbone.projection}"), backbone.pooling
    )
