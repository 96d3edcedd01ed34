"""Where the features of an open_clip tower are, and on which axis a layer has its tokens.

Towers may run (tokens, batch, channels) inside, and a batch of as many pictures as there are tokens looks the same
either way. So one picture's shapes go through a tower before it is used, and every layer must give
(1, tokens, channels), or have its axes turned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from alignbench.errors import ModelError, one_line
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
class _Anatomy:
    """Paths of a tower's modules, and how many tokens and channels an image has there."""

    first: str
    blocks: tuple[str, ...]
    projection: str
    tokens: int
    channels: int
    class_token: bool


def _anatomy(visual: Any, bare: bool) -> _Anatomy:
    if isinstance(visual, VisionTransformer):
        rows, columns = visual.grid_size
        blocks = tuple(f"model.transformer.resblocks.{i}" for i in range(len(visual.transformer.resblocks)))
        return _Anatomy("model.ln_pre", blocks, "model", rows * columns + 1, visual.conv1.out_channels, True)
    trunk = visual.trunk
    count, patches, channels = len(trunk.blocks), trunk.patch_embed.num_patches, trunk.embed_dim
    if bare:
        taps = tuple(f"model.taps.{i + 1}" for i in range(count))
        return _Anatomy("model.taps.0", taps, "model.visual", patches, channels, False)
    blocks = tuple(f"model.trunk.blocks.{i}" for i in range(count))
    tokens = patches + trunk.num_prefix_tokens
    return _Anatomy("model.trunk.norm_pre", blocks, "model", tokens, channels, trunk.has_class_token)


def find_layers(name: str, visual: Any, embed_dim: int, bare: bool) -> tuple[tuple[Layer, ...], bool]:
    """Find the layers of a tower, each with the axis on which it has its tokens.

    Args:
        name: The model's name, for messages.
        visual: The tower, on the meta device: only shapes go through it.
        embed_dim: Width of its projection.
        bare: Whether it is fed as in `BareFeed`.

    Returns:
        Layers, whose paths begin with `model`, and whether they have a class token.

    Raises:
        ModelError: If the output of a layer for one picture is not (1, tokens, channels) on either axis.
    """
    anatomy = _anatomy(visual, bare)
    model = nn.ModuleDict({"model": BareFeed(visual) if bare else visual})
    places = [anatomy.first, *anatomy.blocks]
    depths = block_depths(len(anatomy.blocks))
    layers = [
        Layer(f"layer_{index}", depth, place, anatomy.tokens, anatomy.channels)
        for index, (depth, place) in enumerate(zip(depths, places, strict=True))
    ]
    layers.append(Layer("projection", 100.0, anatomy.projection, 1, embed_dim))
    shapes = _shapes(name, model, [layer.module for layer in layers], visual.image_size)
    return tuple(_settled(name, layer, shapes[layer.module]) for layer in layers), anatomy.class_token


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
        raise ModelError(f"the configuration of {name} does not fit its tower: {one_line(error)}") from error
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _settled(name: str, layer: Layer, shape: tuple[int, ...]) -> Layer:
    tokens, channels = layer.tokens, layer.channels
    if shape == (1, tokens, channels) or (layer.name == "projection" and shape == (1, channels)):
        return layer
    if shape == (tokens, 1, channels):
        return replace(layer, axes="TBC")
    raise ModelError(
        f"{layer.name} of {name} gives {shape} for one picture, not {tokens} tokens x {channels} channels: its "
        "configuration is of another tower"
    )
