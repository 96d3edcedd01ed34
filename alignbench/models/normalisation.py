"""Pixels on their way into a tower: whole numbers from the loader, normalised on the device by a table.

Resizing and cropping give uint8, a quarter of the bytes of float32. What a checkpoint's own normalisation makes of each
of the 256 values that a pixel can have is worked out once, so that the result is its own to the last bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def check_order(values: Tensor) -> None:
    """Verify that a normalisation keeps the values of a pixel apart and in their order.

    Args:
        values: See `Normalise`.

    Raises:
        ValueError: If a brighter pixel does not become a larger, finite number.
    """
    if not (values.isfinite().all() and (values.diff(dim=1) > 0).all()):
        raise ValueError("its normalisation makes no larger number of a brighter pixel")


class Normalise(nn.Module):
    """Normalises pixels by looking them up in a table.

    Args:
        values: What each of the 256 values becomes, per channel: (3, 256) float32.
    """

    values: Tensor

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        if values.shape != (3, 256):
            raise ValueError(f"a table of {tuple(values.shape)} values, not of 256 in each of 3 channels")
        self.register_buffer("values", values, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise prepared pictures, (B, 3, H, W) uint8, to float32 of the same shape."""
        channels = [self.values[c].index_select(0, pixels[:, c].flatten().long()) for c in range(3)]
        shape = (pixels.shape[0], *pixels.shape[2:])
        return torch.stack([channel.view(shape) for channel in channels], dim=1)
