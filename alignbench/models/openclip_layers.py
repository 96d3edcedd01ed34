"""Where the features of an open_clip tower are, and how a layer has its tokens.

Its own transformer may run (tokens, batch, channels) inside, and a batch of as many pictures as there are tokens looks
the same either way. So one picture's shapes go through such a tower before it is used, and every layer must give
(1, tokens, channels), or have its axes turned. Of its ResNet and of what timm makes the layers are found as elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import Tensor, nn

from alignbench.errors import ModelError, one_line
from alignbench.models import module_plan
from alignbench.models.layer_names import PROJECTION
from alignbench.models.module_outputs import Tap
from alignbench.models.module_plan import ModulePlan
from alignbench.models.timm_layers import find_anatomy
from alignbench.models.towers import Layer, block_depths

UNFIT = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What open_clip and timm raise on a configuration that they cannot follow."""


class BareFeed(nn.Module):
    """A timm tower fed as the paper's scripts fed BiomedCLIP.

    The blocks are applied one after another to the patch embeddings, without class token, position embedding or norms;
    the projection alone is that of the intact tower. What the blocks give on the intact pass is not listened to: their
    features are read at `taps`, which only the bare pass goes through.

    Args:
        visual: The tower.
    """

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual
        self.taps = nn.ModuleList(nn.Identity() for _ in range(len(visual.trunk.blocks) + 1))

    def forward(self, images: Tensor) -> object:
        """Run both passes; what is returned is the projection."""
        trunk, (first, *others) = self.visual.trunk, self.taps
        tokens = first(trunk.patch_embed(images))
        for block, tap in zip(trunk.blocks, others, strict=True):
            tokens = tap(block(tokens))
        return self.visual(images)


@dataclass(frozen=True)
class TowerLayers:
    """The layers of a tower; their paths begin with `model`.

    Attributes:
        layers: See `Tower`.
        blocks: See `Tower`.
        class_token: Whether the first of several tokens is a class token.
        registers: See `Tower`.
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Layer, ...] = ()
    class_token: bool = False
    registers: int = 0


def image_size(visual: Any) -> tuple[int, int]:
    """Return height and width in pixels of what a tower takes; a ResNet of open_clip says one number for both."""
    size = visual.image_size
    return (size, size) if isinstance(size, int) else tuple(size)


def find_layers(name: str, visual: Any, embed_dim: int, bare: bool) -> TowerLayers:
    """Find the layers of a tower.

    Args:
        name: The model's name, for messages.
        visual: The tower, on the meta device: only shapes go through it.
        embed_dim: Width of its projection.
        bare: Whether it is fed as in `BareFeed`.

    Raises:
        UsageError: If a trunk of timm gives no features; see `timm_layers.find_anatomy`.
        ModelError: If its configuration is of another tower.
    """
    if bare and not (isinstance(visual, TimmModel) and isinstance(visual.trunk, TimmTransformer)):
        raise ModelError(f"the configuration of {name} is of another tower than BiomedCLIP's: download it again")
    if isinstance(visual, TimmModel) and not bare:
        return _of_timm(name, visual, embed_dim)
    if isinstance(visual, ModifiedResNet):
        return _of_resnet(name, visual)
    return _of_transformer(name, visual, embed_dim, bare)


class _Fed(nn.Module):
    """A tower that takes pictures as bytes."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.model = visual

    def forward(self, pixels: Tensor) -> object:
        return self.model(pixels.float())


# ------------------------------------------------------------------------------------------------ trunks of timm


def _of_timm(name: str, visual: Any, embed_dim: int) -> TowerLayers:
    size, trunk_size = image_size(visual), getattr(getattr(visual.trunk, "patch_embed", None), "img_size", None)
    if trunk_size is not None and tuple(trunk_size) != size:
        raise ModelError(
            f"the configuration of {name} is of another tower: it has pictures of {size[0]} x {size[1]} pixels, and "
            f"its trunk takes {trunk_size[0]} x {trunk_size[1]}"
        )
    found = find_anatomy(name, _Fed(visual), size, root="model.trunk")
    *_, last = found.layers
    if (last.name, last.channels) != (PROJECTION, embed_dim):
        gives = f"{last.channels} channels" if last.name == PROJECTION else "no pooled output"
        raise ModelError(
            f"the tower of {name} gives {gives} at its end, not {embed_dim} channels: its configuration is of another "
            "tower"
        )
    return TowerLayers(found.layers, found.blocks, found.class_token, found.registers)


# ------------------------------------------------------------------------------------------------------- ResNet


_STAGES: Final = ("layer1", "layer2", "layer3", "layer4")


def _of_resnet(name: str, visual: ModifiedResNet) -> TowerLayers:
    """Its stem ends with the average pool that keeps it from aliasing."""
    blocks = tuple(f"{stage}.{block}" for stage in _STAGES for block, _ in visual.get_submodule(stage).named_children())
    plan = ModulePlan(blocks, _STAGES, "avgpool", Tap("attnpool"))
    try:
        layers, every = module_plan.find_layers(plan, _Fed(visual), image_size(visual)[0])
    except UNFIT as error:
        raise _unfit(name, error) from error
    return TowerLayers(layers, every)


# ------------------------------------------------------------------------------------- open_clip's own transformer


def _of_transformer(name: str, visual: Any, embed_dim: int, bare: bool) -> TowerLayers:
    if bare:
        trunk = visual.trunk
        places = [f"model.taps.{index}" for index in range(len(trunk.blocks) + 1)]
        end, tokens, channels = "model.visual", trunk.patch_embed.num_patches, trunk.embed_dim
    else:
        resblocks = len(visual.transformer.resblocks)
        places = ["model.ln_pre", *(f"model.transformer.resblocks.{index}" for index in range(resblocks))]
        rows, columns = visual.grid_size
        end, tokens, channels = "model", rows * columns + 1, visual.conv1.out_channels
    model = nn.ModuleDict({"model": BareFeed(visual) if bare else visual})
    depths = block_depths(len(places) - 1)
    layers = [
        Layer(f"layer_{index}", depth, place, tokens, channels)
        for index, (depth, place) in enumerate(zip(depths, places, strict=True))
    ]
    layers.append(Layer(PROJECTION, 100.0, end, 1, embed_dim))
    shapes = _shapes(name, model, [layer.module for layer in layers], image_size(visual))
    return TowerLayers(tuple(_settled(name, layer, shapes[layer.module]) for layer in layers), class_token=not bare)


def _shapes(name: str, model: nn.ModuleDict, places: list[str], size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Find the shapes of what modules give for one picture."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(place: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, arguments: object, output: Tensor) -> None:
            shapes[place] = tuple(output.shape)

        return hook

    handles = [model.get_submodule(place).register_forward_hook(note(place)) for place in places]
    try:
        with torch.inference_mode():
            model["model"](torch.zeros(1, 3, *size, device="meta"))
    except UNFIT as error:
        raise _unfit(name, error) from error
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _unfit(name: str, error: Exception) -> ModelError:
    return ModelError(f"the configuration of {name} does not fit its tower: {one_line(error)}")


def _settled(name: str, layer: Layer, shape: tuple[int, ...]) -> Layer:
    tokens, channels = layer.tokens, layer.channels
    if shape == (1, tokens, channels) or (layer.name == PROJECTION and shape == (1, channels)):
        return layer
    if shape == (tokens, 1, channels):
        return replace(layer, axes="TBC")
    raise ModelError(
        f"{layer.name} of {name} gives {shape} for one picture, not {tokens} tokens x {channels} channels: its "
        "configuration is of another tower"
    )
