"""What a tower's forward pass costs, counted by PyTorch as one picture goes through it without any numbers.

Matrix products and convolutions are counted, attention as the products that it is. Additions, norms and activations are
not, as is usual: they are below one per cent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from alignbench.models.towers import Tower


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
    """Count what a tower costs.

    Args:
        tower: The tower, on the meta device (`alignbench.models.families.skeleton`).
    """
    height, width = tower.prepare(Image.new("RGB", (64, 64))).shape[-2:]
    counter = FlopCounterMode(display=False)
    tower.requires_grad_(False)  # the counter follows what wants gradients, which weights given to a module lack here
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        tower(torch.zeros(1, 3, height, width, dtype=torch.uint8, device="meta"))
    return TowerCost(sum(weight.numel() for weight in tower.parameters()), counter.get_total_flops(), int(width))
