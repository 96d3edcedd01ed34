"""What a tower's forward pass costs, counted from the shapes of its weights: nothing is run or loaded.

Every matrix of a block is applied to every token, and its attention multiplies queries with keys and weights with
values; everything else is applied once. Additions, norms and activations are not counted, as is usual: they are below
one per cent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PIL import Image
from torch import nn

from alignbench.errors import UsageError
from alignbench.models.towers import Tower

_BLOCKS: Final = ("encoder.layers", "transformer.resblocks", "trunk.blocks")  # in transformers, open_clip and timm


@dataclass(frozen=True)
class TowerCost:
    """The size of a tower and the cost of its forward pass.

    Attributes:
        parameters: Number of its weights.
        flops: Floating-point operations of one picture, two for each multiplication and addition.
        side: Side of a prepared picture in pixels.
    """

    parameters: int
    flops: int
    side: int


def tower_cost(tower: Tower) -> TowerCost:
    """Count what a tower costs; one without memory for its weights will do (`alignbench.models.families.skeleton`).

    Raises:
        UsageError: If it has no transformer blocks where they are looked for.
    """
    side = int(tower.prepare(Image.new("RGB", (64, 64))).shape[-1])
    places = [(path, module) for path, module in tower.named_modules() if path.endswith(_BLOCKS)]
    if not places:
        raise UsageError(f"what a tower without blocks in {' or '.join(_BLOCKS)} costs cannot be counted: leave it out")
    path, blocks = places[0]
    tokens, width = tower.layers[0].tokens, tower.layers[0].channels
    matrices = sum(weight.numel() for weight in blocks.parameters() if weight.ndim == 2)
    count = len(list(blocks.children()))
    patches = sum(_convolution(module, side) for module in tower.modules() if isinstance(module, nn.Conv2d))
    macs = patches + _blocks(matrices, count, tokens, width) + _head(tower, path, tokens, width)
    if any(name == "model.taps" for name, _ in tower.named_modules()):  # it runs twice: bare, then intact
        macs += patches + _blocks(matrices, count, tokens + 1, width)
    return TowerCost(sum(weight.numel() for weight in tower.parameters()), 2 * macs, side)


def _convolution(module: nn.Conv2d, side: int) -> int:
    rows, columns = (side // step for step in module.stride)
    return module.weight.numel() * rows * columns


def _blocks(matrices: int, count: int, tokens: int, width: int) -> int:
    return matrices * tokens + count * 2 * tokens**2 * width


def _head(tower: Tower, blocks: str, tokens: int, width: int) -> int:
    """Multiply-adds after the blocks: of a projection, or attention of one query over all tokens and an MLP."""
    macs = 0
    pooling: list[str] = []
    for path, module in tower.named_modules():
        if path.startswith(blocks) or any(path.startswith(parent) for parent in pooling):
            continue
        if isinstance(module, nn.MultiheadAttention):  # its query and output are of one token, keys and values of all
            pooling.append(path)
            macs += 2 * width**2 + 2 * width**2 * tokens + 2 * tokens * width
        elif isinstance(module, nn.Linear):
            is_keys_and_values = path.endswith(".kv")  # timm's attention pooling
            macs += module.weight.numel() * (tokens if is_keys_and_values else 1)
            macs += 2 * tokens * width if is_keys_and_values else 0
    bare = [weight for path, weight in tower.named_parameters() if path.endswith(".proj") and weight.ndim == 2]
    return macs + sum(weight.numel() for weight in bare)
