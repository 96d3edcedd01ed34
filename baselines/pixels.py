"""Pixels: how far two pictures are apart before anything looked at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

    from alignbench import PairMetric


@dataclass(frozen=True)
class Pixels:
    """Root mean square difference over RGB in [0, 1], the Euclidean distance per value."""

    name: str = "pixels"
    distance: str = "euclidean"
    min_side: int = 1

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances of pairs: two (pairs, 3, H, W) tensors to (pairs,), averaged in float64."""
        import torch

        return (first - second).square().flatten(1).mean(dim=1, dtype=torch.float64).sqrt()


PIXELS: Final[PairMetric] = Pixels()
