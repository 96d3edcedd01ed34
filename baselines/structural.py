"""SSIM and MS-SSIM as distances, one minus the similarity, by pytorch-msssim.

Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004), and "Multiscale
structural similarity for image quality assessment" (2003). Definitions of SSIM differ, and so do their numbers; this is
the one behind the published column: a Gaussian window of 11 pixels with sigma 1.5, each RGB channel by itself and the
three averaged, no down-sampling before the first scale, values in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

    from alignbench import PairMetric

_WINDOW: Final = 11


@dataclass(frozen=True)
class StructuralDistance:
    """One minus SSIM over one scale, or one minus MS-SSIM over five.

    Attributes:
        name: Name of the metric, and of its distance in results.
        scales: Number of scales, 1 or 5; each scale halves the picture, and the last one must still hold the window.
    """

    name: str
    scales: int

    @property
    def distance(self) -> str:
        """What the distance is called in results."""
        return self.name

    @property
    def min_side(self) -> int:
        """Smallest side in pixels: 11, or 161 for five scales."""
        return int((_WINDOW - 1) * 2 ** (self.scales - 1) + 1)

    def to(self, device: str) -> StructuralDistance:
        """Return the metric itself: it has no weights, and works where its pictures are."""
        return self

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances of pairs: two (pairs, 3, H, W) tensors in [0, 1] to (pairs,)."""
        from pytorch_msssim import ms_ssim, ssim

        similarity = ssim if self.scales == 1 else ms_ssim
        alike: Tensor = similarity(
            first, second, data_range=1.0, size_average=False, win_size=_WINDOW, win_sigma=1.5
        )  # (pairs,)
        return 1.0 - alike


SSIM: Final[PairMetric] = StructuralDistance("ssim", scales=1)
MS_SSIM: Final[PairMetric] = StructuralDistance("ms-ssim", scales=5)
