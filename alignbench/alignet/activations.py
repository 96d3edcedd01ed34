"""What a step of training keeps of each picture for the way back, counted without weights or numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from alignbench.models.towers import Tower


def activation_bytes(tower: Tower, side: int) -> int:
    """Count what autograd keeps of one picture, in the precision of the weights.

    Each storage counts once, however often it is kept; weights do not count. Attention is taken as the products that it
    is, as in `alignbench.models.cost`: a kernel that makes its table anew on the way back keeps less.

    Args:
        tower: The tower, on the meta device (`alignbench.models.families.skeleton`) or any other.
        side: Side of a prepared picture in pixels.

    Returns:
        Bytes.
    """
    own = {_storage(weight) for weight in (*tower.parameters(), *tower.buffers())}
    device = next(tower.parameters()).device
    kept: dict[int, Tensor] = {}  # which also keeps storages alive, so that no address is taken twice

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and _storage(tensor) not in own:
            kept[_storage(tensor)] = tensor
        return tensor

    wanted = [weight for weight in tower.parameters() if weight.is_floating_point() and not weight.requires_grad]
    for weight in wanted:
        weight.requires_grad_(True)
    try:
        pixels = torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device)
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), saved_tensors_hooks(keep, lambda tensor: tensor):
            tower(pixels)
    finally:
        for weight in wanted:
            weight.requires_grad_(False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
