"""What a vision tower is to the rest: layers with names and depths, preparation of a picture, a forward pass.

A model family (entry-point group `alignbench.models`) builds a `Tower`; `tap` hands out a layer's features while a
batch passes through.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from alignbench.errors import UsageError, unknown
from alignbench.models.layer_names import PROJECTION, has_one_token

TokenView = Literal["all", "cls", "mean"]
TOKEN_VIEWS: tuple[TokenView, ...] = get_args(TokenView)
Axes = Literal["BTC", "TBC", "BCHW", "BHWC", "BC"]
"""How an output is laid out: B pictures, T tokens, C channels, H x W a map, whose places are its tokens."""


class Readout(Protocol):
    """What turns a layer's features into others.

    Attributes:
        width: Channels that it takes.
    """

    width: int

    def __call__(self, features: Tensor) -> Tensor:
        """Turn features (..., width) into (..., channels of the layer), both float32 and on one device."""
        ...


@dataclass(frozen=True)
class Layer:
    """A place in a tower where features are read.

    Attributes:
        name: `layer_0` .. `layer_L` of a transformer, `stem`, `stage_1`, `block_1` and so on of a CNN, `projection`, or
            the path of a module; with `_aligned` at its end where features are turned into others.
        depth: Percent of the network, the paper's axis.
        module: Path of the module whose output it is.
        tokens: Tokens an image has there; 1 at the projection.
        channels: Channels of a token, as they are handed on.
        unit_norm: Whether the output is divided by its Euclidean norm.
        axes: How the output is laid out; (B, channels) is one token under any of them.
        is_input: Whether it is what the module is given, and not what it gives.
        part: Which it is of several outputs, or of several things that the module is given; none if it is the output,
            or the first argument.
        has_prefix: Whether the tower's class token and registers are the first of its tokens; a map has none.
        readout: What the features go through after the token view, if anything.
    """

    name: str
    depth: float
    module: str
    tokens: int
    channels: int
    unit_norm: bool = False
    axes: Axes = "BTC"
    is_input: bool = False
    part: int | None = None
    has_prefix: bool = True
    readout: Readout | None = None

    @property
    def width(self) -> int:
        """Channels of a token as the module gives it."""
        return self.channels if self.readout is None else self.readout.width

    @property
    def one_token(self) -> bool:
        """Whether token views coincide at it."""
        return self.tokens == 1 or has_one_token(self.name)


def block_depths(blocks: int) -> list[float]:
    """Return the depths in percent of `layer_0` (the embeddings) and of the blocks: 2.5, then 7.5 to 97.5 evenly."""
    return [2.5, *np.linspace(7.5, 97.5, blocks).tolist()]


class Tower(nn.Module):
    """A vision tower in evaluation mode.

    Attributes:
        layers: Where its features are read, in the order of depth.
        blocks: The same at every block, where `layers` are fewer; empty where they are not.
        has_class_token: Whether token 0 is a class token.
        registers: Tokens after it, or first where there is none, that are neither class token nor patches.
        pooling: What its projection is, in words.
        roots: By what users write before the path of a module, what stands there in this tower.
        fingerprint: SHA-256 over the weights and everything else that settles its output.
        prepare: Resizes and crops an RGB picture as the checkpoint wants it: (3, H, W) uint8, the same size for all.
            It goes to the loader's processes, so it can be pickled and holds no weights.
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Layer, ...] = ()
    has_class_token: bool = False
    registers: int = 0
    pooling: str = ""
    roots: Mapping[str, str] = MappingProxyType({"": ""})
    fingerprint: str
    prepare: Callable[[Image.Image], Tensor]

    @property
    def projection(self) -> str:
        """What its projection is, in words; empty where it has none."""
        has_projection = any(layer.name == PROJECTION for layer in self.layers)
        return (self.pooling or "what the model gives") if has_projection else ""

    @property
    def prefix_tokens(self) -> int:
        """Tokens before those of patches: class token and registers."""
        return int(self.has_class_token) + self.registers

    @abstractmethod
    def forward(self, pixels: Tensor) -> object:
        """Run a batch of prepared pictures, (B, 3, H, W) uint8; what it returns is not looked at."""


def check_view(tower: Tower, view: str, layers: Sequence[Layer] | None = None) -> None:
    """Refuse a token view that a tower cannot give.

    Args:
        tower: The tower.
        view: Name of the view.
        layers: The layers that are read; none for those of the tower.

    Raises:
        UsageError: If there is no such view, or it asks for a class token that is not there.
    """
    if view not in TOKEN_VIEWS:
        raise unknown("token view", view, TOKEN_VIEWS)
    several = [layer for layer in (tower.layers if layers is None else layers) if not layer.one_token]
    if view != "cls" or not several:
        return
    if not tower.has_class_token:
        raise UsageError("the token view 'cls' needs a class token, and this model has none: use 'all' or 'mean'")
    for layer in several:
        if not layer.has_prefix:
            raise UsageError(
                f"the token view 'cls' needs a class token, and {layer.name} has none: use 'all' or 'mean', or leave "
                "it out of --layers"
            )


def view_tokens(layer: Layer, view: str) -> int:
    """Return how many tokens of a layer remain in a view."""
    return layer.tokens if view == "all" else 1


def select_view(features: Tensor, layer: Layer, view: str, prefix_tokens: int) -> Tensor:
    """Take a layer's features in a token view, and through its readout.

    Args:
        features: (B, tokens, width of the layer).
        layer: The layer; where it has one token the views coincide.
        view: `all` tokens, the class token only (`cls`), or the average of the patch tokens (`mean`).
        prefix_tokens: Tokens of its tower before those of patches.

    Returns:
        (B, tokens of the view, channels).
    """
    if view == "cls" and not layer.one_token:
        features = features[:, :1]
    elif view == "mean" and not layer.one_token:
        features = features[:, prefix_tokens if layer.has_prefix else 0 :].mean(dim=1, keepdim=True)
    return features if layer.readout is None else layer.readout(features)


@contextmanager
def tap(
    tower: Tower, layers: Sequence[Layer], receive: Callable[[Layer, Tensor], None], *, with_graph: bool = False
) -> Iterator[None]:
    """Hand every batch's features at some layers to a function, as float32 of shape (B, tokens, width).

    The tensor may share memory with the model's own, which the next module may write to (ReLU in place): a receiver
    that keeps anything must copy it before it returns.

    Args:
        tower: The tower.
        layers: Some of its layers.
        receive: Hears of each layer and its features.
        with_graph: Whether gradients flow back through the features; they are then a copy, and those of a tower in
            float64 stay so.
    """
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(_attach(tower, layer, receive, with_graph).remove)
        yield


class Tapped(nn.Module):
    """A tower that returns its features at some layers, in a form that can be compiled.

    Hooks fire in a compiled module only if they were there before it was compiled: these stay until `release`.

    Args:
        tower: The tower.
        layers: Layers whose features it returns.
    """

    def __init__(self, tower: Tower, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.tower, self.layers = tower, tuple(layers)
        self._features: dict[str, Tensor] = {}
        self.hooks = [_attach(tower, layer, self._take) for layer in self.layers]

    def release(self) -> None:
        """Leave the tower as it was."""
        for hook in self.hooks:
            hook.remove()

    def _take(self, layer: Layer, features: Tensor) -> None:
        self._features[layer.name] = features.clone()  # until the end of the pass others may write to it

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the features at the layers, each float32 of (B, tokens, width)."""
        self.tower(pixels)
        features = tuple(self._features[layer.name] for layer in self.layers)
        self._features.clear()
        return features


def parts_given(arguments: tuple[Any, ...]) -> Any:
    """Return what `Layer.part` counts of a module's arguments: these, or what is in the only one."""
    return arguments[0] if len(arguments) == 1 else arguments


def _attach(
    tower: Tower, layer: Layer, receive: Callable[[Layer, Tensor], None], with_graph: bool = False
) -> RemovableHandle:
    """Hand what passes at a layer to a function, until the handle is removed."""
    module = tower.get_submodule(layer.module)

    def hand(given: Any) -> None:
        output: Tensor = given if layer.part is None else given[layer.part]
        if with_graph:  # what is written to in place afterwards would change it, and its gradient
            output = output.to(torch.promote_types(output.dtype, torch.float32), copy=True)
        else:
            output = output.detach().float()
        receive(layer, _features(layer, output))

    def before(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        hand(arguments[0] if layer.part is None else parts_given(arguments))

    def after(module: nn.Module, arguments: object, output: Any) -> None:
        hand(output)

    return module.register_forward_pre_hook(before) if layer.is_input else module.register_forward_hook(after)


def _features(layer: Layer, features: Tensor) -> Tensor:
    """What a module gave as (B, tokens, width); of the same memory where that can be."""
    if features.ndim == 2:
        features = features[:, None]
    elif layer.axes == "TBC":
        features = features.transpose(0, 1)
    elif layer.axes == "BCHW":
        features = features.flatten(2).transpose(1, 2)
    elif layer.axes == "BHWC":
        features = features.flatten(1, 2)
    if features.shape[1:] != (layer.tokens, layer.width):
        shape = tuple(features.shape[1:])
        raise RuntimeError(f"{layer.name} gave {shape}, not {layer.tokens} tokens x {layer.width} channels")
    return features / torch.linalg.vector_norm(features, dim=-1, keepdim=True) if layer.unit_norm else features
