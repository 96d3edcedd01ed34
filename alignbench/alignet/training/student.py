"""The student: a tower in evaluation mode, and a new linear head on what its own pooling gives."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor, nn

from alignbench.errors import ModelError, UsageError
from alignbench.models.layer_names import PROJECTION
from alignbench.models.towers import Layer, Tower, tap
from alignbench.transforms.affine import AffineTransform

_HEAD: Final = "head."
_CUT: Final = 2.0  # standard deviations where the normal distribution of the head's weights is cut
_SPREAD: Final = 0.87962566103423978  # standard deviation of a normal distribution that is cut there


class Student(nn.Module):
    """A tower with a head.

    The tower is in evaluation mode throughout: batch norms use and keep the statistics that they were saved with,
    though their scale and shift are trained, and nothing is dropped at random. So a step depends on its pictures alone,
    and features of the trained tower are those that are measured.

    Args:
        tower: The tower, loaded under the `corrected` protocol.
        width: Width of the head.
        head_only: Whether the tower stays as it is.
        seed: Seed of the head: weights from a cut normal distribution of variance 1 / d, its bias 0.

    Raises:
        UsageError: If the tower has no projection.
    """

    def __init__(self, tower: Tower, width: int, head_only: bool, seed: int) -> None:
        super().__init__()
        self.tower, self.head_only = tower.eval(), head_only
        self.layer = _pooled(tower)
        self.head = nn.Linear(self.layer.channels, width)
        deviation = 1 / (_SPREAD * math.sqrt(self.layer.channels))
        drawn = torch.Generator().manual_seed(seed)
        nn.init.trunc_normal_(self.head.weight, std=deviation, a=-_CUT * deviation, b=_CUT * deviation, generator=drawn)
        nn.init.zeros_(self.head.bias)
        for parameter in tower.parameters():
            parameter.requires_grad_(not head_only and parameter.is_floating_point())

    def train(self, mode: bool = True) -> Student:
        """Set the mode of the head; the tower stays in evaluation mode."""
        super().train(mode)
        self.tower.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embeddings of prepared pictures, (B, 3, H, W) uint8 to (B, width)."""
        embeddings: Tensor = self.head(self.pooled(pixels))
        return embeddings

    def pooled(self, pixels: Tensor) -> Tensor:
        """Return what the tower's own pooling gives of prepared pictures, (B, channels)."""
        found: list[Tensor] = []
        with (
            torch.set_grad_enabled(torch.is_grad_enabled() and not self.head_only),
            tap(self.tower, (self.layer,), lambda layer, features: found.append(features), with_graph=True),
        ):
            self.tower(pixels)
        return found[0][:, 0]

    def settle_parameters(self) -> dict[str, nn.Parameter]:
        """Let go of parameters on which the pooled output does not depend, and return those that are trained, by name.

        A classifier behind the pooling, or a pooling head that is not read, has no gradient: it stays as it is.
        """
        picture = self.tower.prepare(Image.new("RGB", (64, 64)))[None].to(self.head.weight.device)
        with torch.enable_grad():
            self(picture).sum().backward()
        for parameter in self.parameters():
            parameter.requires_grad_(parameter.requires_grad and parameter.grad is not None)
            parameter.grad = None
        trained = {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}
        if not self.head_only and all(name.startswith(_HEAD) for name in trained):
            raise ModelError(
                "no weight of this model has a gradient at its projection, so that it cannot be trained: use "
                "--head-only"
            )
        return trained

    def head_transform(self, provenance: dict[str, Any]) -> AffineTransform:
        """Return the head as a transform of the projection, so that what it gives can be measured.

        Args:
            provenance: Where it comes from.
        """
        weights = self.head.weight.detach().cpu().numpy().T
        return AffineTransform(weights, 0.0, 1.0, self.head.bias.detach().cpu().numpy(), provenance)


def _pooled(tower: Tower) -> Layer:
    for layer in tower.layers:
        if layer.name == PROJECTION:
            return layer
    raise UsageError(
        "this model has no pooled output (projection), which a student's head stands on: choose another model"
    )
