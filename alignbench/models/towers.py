"""What a vision tower is to the rest: layers with names and depths, preparation of a picture, a forward pass.

A model family (entry-point group `alignbench.models`) builds a `Tower`; `tap` hands out a layer's features while a
batch passes through.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from alignbench.errors import UsageError, unknown
from alignbench.models.layer_names import has_one_token

TokenView = Literal["all", "cls", "mean"]
TOKEN_VIEWS: tuple[TokenView, ...] = get_args(TokenView)


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
        name: `layer_0` .. `layer_L` or `projection`; with `_aligned` at its end where features are turned into others.
        depth: Percent of the network, the paper's axis.
        module: Path of the module whose output it is.
        tokens: Tokens an image has there; 1 at the projection.
        channels: Channels of a token, as they are handed on.
        unit_norm: Whether the output is divided by its Euclidean norm.
        tokens_first: Whether the module gives (tokens, B, channels) instead of (B, tokens, channels).
        readout: What the features go through after the token view, if anything.
    """

    name: str
    depth: float
    module: str
    tokens: int
    channels: int
    unit_norm: bool = False
    tokens_first: bool = False
    readout: Readout | None = None

    @property
    def width(self) -> int:
        """Channels of a token as the module gives it."""
        return self.channels if self.readout is None else self.readout.width


def block_depths(blocks: int) -> list[float]:
    """Return the depths in percent of `layer_0` (the embeddings) and of the blocks: 2.5, then 7.5 to 97.5 evenly."""
    return [2.5, *np.linspace(7.5, 97.5, blocks).tolist()]


class Tower(nn.Module):
    """A vision tower in evaluation mode.

    Attributes:
        layers: Where its features are read, in the order of depth.
        has_class_token: Whether token 0 is a class token.
        fingerprint: SHA-256 over the weights and everything else that settles its output.
        prepare: Resizes and crops an RGB picture as the checkpoint wants it: (3, H, W) uint8, the same size for all.
            It goes to the loader's processes, so it can be pickled and holds no weights.
    """

    layers: tuple[Layer, ...]
    has_class_token: bool
    fingerprint: str
    prepare: Callable[[Image.Image], Tensor]

    @abstractmethod
    def forward(self, pixels: Tensor) -> object:
        """Run a batch of prepared pictures, (B, 3, H, W) uint8; what it returns is not looked at."""


def check_view(tower: Tower, view: str) -> None:
    """Refuse a token view that a tower cannot give.

    Raises:
        UsageError: If there is no such view, or it asks for a class token that is not there.
    """
    if view not in TOKEN_VIEWS:
        raise unknown("token view", view, TOKEN_VIEWS)
    if view == "cls" and not tower.has_class_token:
        raise UsageError("the token view 'cls' needs a class token, and this model has none: use 'all' or 'mean'")


def view_tokens(layer: Layer, view: str) -> int:
    """Return how many tokens of a layer remain in a view."""
    return layer.tokens if view == "all" else 1


def select_view(features: Tensor, layer: Layer, view: str, has_class_token: bool) -> Tensor:
    """Take a layer's features in a token view, and through its readout.

    Args:
        features: (B, tokens, width of the layer).
        layer: The layer; at the projection the views coincide.
        view: `all` tokens, the class token only (`cls`), or the average of the patch tokens (`mean`).
        has_class_token: Whether token 0 is a class token.

    Returns:
        (B, tokens of the view, channels).
    """
    if view == "cls" and not has_one_token(layer.name):
        features = features[:, :1]
    elif view == "mean" and not has_one_token(layer.name):
        features = features[:, int(has_class_token) :].mean(dim=1, keepdim=True)
    return features if layer.readout is None else layer.readout(features)


@contextmanager
def tap(tower: Tower, layers: Sequence[Layer], receive: Callable[[Layer, Tensor], None]) -> Iterator[None]:
    """Hand every batch's features at some layers to a function, as float32 of shape (B, tokens, width).

    The tensor may share memory with the model's own; a receiver that keeps anything must copy it.
    """
    with ExitStack() as stack:
        for layer in layers:
            module = tower.get_submodule(layer.module)
            stack.callback(module.register_forward_hook(_hook(layer, receive)).remove)
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
        self.hooks = [
            tower.get_submodule(layer.module).register_forward_hook(_hook(layer, self._take)) for layer in self.layers
        ]

    def release(self) -> None:
        """Leave the tower as it was."""
        for hook in self.hooks:
            hook.remove()

    def _take(self, layer: Layer, features: Tensor) -> None:
        self._features[layer.name] = features

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the features at the layers, each float32 of (B, tokens, width)."""
        self.tower(pixels)
        features = tuple(self._features[layer.name] for layer in self.layers)
        self._features.clear()
        return features


def _hook(layer: Layer, receive: Callable[[Layer, Tensor], None]) -> Callable[[nn.Module, object, Tensor], None]:
    def hook(module: nn.Module, arguments: object, output: Tensor) -> None:
        features = output.detach().float()
        if layer.tokens_first:
            features = features.transpose(0, 1)
        if features.ndim == 2:
            features = features[:, None]
        if features.shape[1:] != (layer.tokens, layer.width):
            shape = tuple(features.shape[1:])
            raise RuntimeError(f"{layer.name} gave {shape}, not {layer.tokens} tokens x {layer.width} channels")
        if layer.unit_norm:
            features = features / torch.linalg.vector_norm(features, dim=-1, keepdim=True)
        receive(layer, features)

    return hook
