"""LPIPS with an AlexNet or a VGG-16 trunk, by the lpips package, version 0.1 of its linear weights.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018). The linear weights come
with the package. The trunk's are torchvision's ImageNet weights: taken from torch's cache (its folder
`hub/checkpoints`), or downloaded to it when a run first needs them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignbench import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from alignbench import PairMetric

_AT_ONCE: Final = 1_000_000  # pixels of the first pictures: VGG-16 has 500 bytes of features for each


@dataclass(frozen=True)
class Lpips:
    """Learned distance of deep features.

    Attributes:
        name: Name of the metric, and of its distance in results.
        trunk: Name of the trunk in the lpips package, `alex` or `vgg`.
        min_side: Smallest side in pixels that leaves something after the trunk's last pooling.
        url: Address of the trunk's weights; the file's name ends in the first digits of its SHA-256.
        network: The network with its weights; none before `to`.
        fingerprint: SHA-256 over trunk and linear weights; empty before `to`.
    """

    name: str
    trunk: str
    min_side: int
    url: str
    network: nn.Module | None = field(default=None, repr=False, compare=False)
    fingerprint: str = ""

    @property
    def distance(self) -> str:
        """What the distance is called in results."""
        return self.name

    def to(self, device: str) -> Lpips:
        """Return the metric with its weights on a device.

        Raises:
            ModelError: If the trunk's weights cannot be had or are damaged.
        """
        import lpips

        from baselines.weights import files_fingerprint

        trunk = self._trunk_file()
        linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{self.trunk}.pth"
        return replace(self, network=self._load(trunk, linear).to(device), fingerprint=files_fingerprint(trunk, linear))

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances of pairs: two (pairs, 3, H, W) tensors in [0, 1] to (pairs,)."""
        import torch

        if self.network is None:
            raise ModelError(f"{self.name} has no weights yet: call its `to(device)` and use what that returns")
        count = max(1, _AT_ONCE // (first.shape[2] * first.shape[3]))
        pieces = zip(first.split(count), second.split(count), strict=True)
        return torch.cat([self.network(2.0 * a - 1.0, 2.0 * b - 1.0).flatten() for a, b in pieces])

    def _trunk_file(self) -> Path:
        """Find the file of the trunk's weights in torch's cache, or download it."""
        from alignbench.models import torch_weights

        return torch_weights(self.name, self.url)

    def _load(self, trunk: Path, linear: Path) -> nn.Module:
        """Build the package's network around the weights in the two files."""
        import torch
        from lpips import LPIPS

        from baselines.weights import read_weights

        remedy = f"delete it and get it from {self.url} again"
        with torch.device("meta"), warnings.catch_warnings():  # on `meta` no random weights are drawn first
            warnings.simplefilter("ignore")  # torchvision warns of how the package calls it
            network: nn.Module = LPIPS(pretrained=False, pnet_rand=True, net=self.trunk, version="0.1", verbose=False)
        given = read_weights(trunk, remedy)
        # the package cuts the trunk into slices: its `net.slice2.3.bias` is the trunk's `features.3.bias`
        shapes = {key: value.shape for key, value in network.state_dict().items()}
        names = {key: f"features.{key.split('.', 2)[2]}" for key in shapes if key.startswith("net.")}
        wrong = [name for key, name in names.items() if name not in given or given[name].shape != shapes[key]]
        if wrong:
            raise ModelError(f"{trunk} lacks {len(wrong)} weights or has them in another shape ({wrong[0]}): {remedy}")
        weights = {key: given[name].float() for key, name in names.items()}
        weights |= read_weights(linear, "install the package lpips again")
        network.load_state_dict(weights, strict=False, assign=True)
        if any(value.is_meta for value in network.state_dict().values()):
            raise ModelError(f"{linear} lacks weights: install the package lpips again")
        return network.requires_grad_(False)


_TORCHVISION: Final = "https://download.pytorch.org/models"
ALEX: Final[PairMetric] = Lpips("lpips-alex", "alex", 31, f"{_TORCHVISION}/alexnet-owt-7be5be79.pth")
VGG: Final[PairMetric] = Lpips("lpips-vgg", "vgg", 16, f"{_TORCHVISION}/vgg16-397923af.pth")
