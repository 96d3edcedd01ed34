"""The network of PerceptNet, and its weights in files.

Hepburn, Laparra, Malo, McConville and Santos-Rodriguez, "PerceptNet: A Human Visual System Inspired Neural Network for
Estimating Perceptual Distance" (ICIP 2020): stages of early vision, each a linear filter and a divisive normalisation.

    RGB in [0, 1]             | GDN, each channel alone   gamma correction
    convolution 1x1, 3 -> 3   | max pooling 2 | GDN       opponent colours
    convolution 5x5, 3 -> 6   | max pooling 2 | GDN       centre and surround
    convolution 5x5, 6 -> 128 | GDN                       oriented filters

Every convolution has a padding of 1, so a side of n pixels becomes ((n + 2) // 2 - 2) // 2 - 2 values: 14 pixels are
the fewest that leave one. There are 36,368 weights, three of them the gamma of the first GDN.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignbench import ModelError
from baselines.weights import read_weights

GAMMA_MIN: Final = 2.0**-18
BETA_MIN: Final = (1e-6 + 2.0**-36) ** 0.5


class GDN(nn.Module):
    """Generalised divisive normalisation: channel i becomes x_i / sqrt(beta_i + sum over j of gamma_ij x_j^2).

    Ballé, Laparra and Simoncelli, "Density modeling of images using a generalized normalization transformation" (2016).
    What is stored is what the formula takes, raised to gamma >= 2^-18 and beta >= sqrt(1e-6 + 2^-36) at every use, as
    the authors do.

    Args:
        channels: Channels of input and output.
        alone: Whether each channel is normalised by itself alone; gamma is then (channels, 1, 1, 1), and otherwise
            (channels out, channels in, 1, 1).
    """

    def __init__(self, channels: int, alone: bool = False) -> None:
        super().__init__()
        self.groups = channels if alone else 1
        own = torch.ones(channels, 1) if alone else torch.eye(channels)
        self.gamma = nn.Parameter(0.1 * own[:, :, None, None])
        self.beta = nn.Parameter(torch.ones(channels))
        self.keep_bounds()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, h, w); the shape stays."""
        gamma, beta = _bounded(self.gamma, GAMMA_MIN), _bounded(self.beta, BETA_MIN)
        return x / functional.conv2d(x.square(), gamma, beta, groups=self.groups).sqrt()

    @torch.no_grad()
    def keep_bounds(self) -> None:
        """Raise what is stored to the bounds; below them a weight has no gradient and would never come back."""
        self.gamma.clamp_(min=GAMMA_MIN)
        self.beta.clamp_(min=BETA_MIN)


def _bounded(weights: Tensor, least: float) -> Tensor:
    """At least the bound, with a gradient also for what lies on it: `clamp` has none there and would keep it down."""
    return torch.where(weights < least, least, weights)


class PerceptNet(nn.Module):
    """The network; see the head of this module."""

    def __init__(self) -> None:
        super().__init__()
        self.gdn1 = GDN(3, alone=True)
        self.conv1 = nn.Conv2d(3, 3, kernel_size=1, padding=1)
        self.gdn2 = GDN(3)
        self.conv2 = nn.Conv2d(3, 6, kernel_size=5, padding=1)
        self.gdn3 = GDN(6)
        self.conv3 = nn.Conv2d(6, 128, kernel_size=5, padding=1)
        self.gdn4 = GDN(128)

    def forward(self, pictures: Tensor) -> Tensor:
        """Turn RGB in [0, 1], (n, 3, H, W), into responses, (n, 128, h, w)."""
        x = functional.max_pool2d(self.conv1(self.gdn1(pictures)), 2)
        x = functional.max_pool2d(self.conv2(self.gdn2(x)), 2)
        responses: Tensor = self.gdn4(self.conv3(self.gdn3(x)))
        return responses

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """Return L2 norms of the whole difference of responses: two (pairs, 3, H, W) to (pairs,), summed in float64."""
        difference = self(first) - self(second)
        norms: Tensor = torch.linalg.vector_norm(difference, dim=(1, 2, 3), dtype=torch.float64)
        return norms

    def keep_bounds(self) -> None:
        """See `GDN.keep_bounds`."""
        for layer in (self.gdn1, self.gdn2, self.gdn3, self.gdn4):
            layer.keep_bounds()


def load_network(path: Path, remedy: str) -> PerceptNet:
    """Load the network with the weights of a file: the authors' (a pickle of torch) or safetensors with the same names.

    Shapes may differ from ours by axes of length 1, which leaves no doubt about what is meant: gamma as a plain matrix
    (channels out, channels in) will do.

    Args:
        path: The file.
        remedy: What the user can do about a file that will not do.

    Raises:
        ModelError: If it cannot be read, lacks weights, or has others or other shapes.
    """
    network = PerceptNet()
    network.load_state_dict(fitted(read_weights(path, remedy), network.state_dict(), path, remedy))
    return network.requires_grad_(False)


def fitted(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path, remedy: str) -> dict[str, Tensor]:
    """Bring what was found in a file to the shapes that are wanted, or refuse it; see `load_network`."""
    for kind, names in (("lacks", wanted.keys() - found.keys()), ("has unknown", found.keys() - wanted.keys())):
        if names:
            shown = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{path} {kind} weights of PerceptNet ({shown}): {remedy}")
    for name, value in wanted.items():
        if _long_axes(found[name]) != _long_axes(value):
            sizes = (" x ".join(map(str, shape)) or "one number" for shape in (found[name].shape, value.shape))
            raise ModelError(f"{path} has {name} as {' and needs it as '.join(sizes)}: {remedy}")
    return {name: found[name].reshape(value.shape).float() for name, value in wanted.items()}


def _long_axes(value: Tensor) -> list[int]:
    return [size for size in value.shape if size != 1]
