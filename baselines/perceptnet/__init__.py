"""PerceptNet as a distance: the L2 norm of the difference of its responses to two pictures at their native size.

Its weights are not part of this package. They are looked for in the file that `$ALIGNBENCH_PERCEPTNET` names, else in
`percept_colour_tid2008.pth` of `$ALIGNBENCH_CACHE`, which is `alignbench` in the user's cache folder
(`$XDG_CACHE_HOME`, else `~/.cache`) if it is not set. The authors publish theirs under that name;
`python -m baselines.perceptnet train` makes others. The authors trained on TID2008, which shares its references and 17
distortions with TID2013: on TID2013 their weights are not held out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignbench import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from alignbench import PairMetric
    from baselines.perceptnet.network import PerceptNet

VARIABLE: Final = "ALIGNBENCH_PERCEPTNET"
FILE: Final = "percept_colour_tid2008.pth"
_REMEDY: Final = (
    f"get {FILE} from saved_networks/ of github.com/alexhepburn/perceptnet, or train weights with "
    "`python -m baselines.perceptnet train --dataset NAME`"
)


def weights_file() -> Path:
    """Return where the weights are looked for."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    own, cache = os.environ.get("ALIGNBENCH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / FILE
    return (Path(cache) if cache else Path.home() / ".cache") / "alignbench" / FILE


@dataclass(frozen=True)
class PerceptNetDistance:
    """Distance of PerceptNet's responses.

    Attributes:
        name: Name of the metric.
        distance: Name of its distance in results.
        min_side: Smallest side in pixels that leaves a response.
        network: The network with its weights; none before `to`.
        fingerprint: SHA-256 of the file of its weights; empty before `to`.
    """

    name: str = "perceptnet"
    distance: str = "perceptnet"
    min_side: int = 14
    network: PerceptNet | None = field(default=None, repr=False, compare=False)
    fingerprint: str = ""

    def to(self, device: str) -> PerceptNetDistance:
        """Return the metric with its weights on a device.

        Raises:
            ModelError: If the file of the weights is not there, or holds anything else.
        """
        from baselines.perceptnet.network import load_network
        from baselines.weights import files_fingerprint

        path = weights_file()
        if not path.is_file():
            raise ModelError(
                f"{self.name} has no weights at {path}: {_REMEDY}; then put the file there or name it in ${VARIABLE}"
            )
        network = load_network(path, _REMEDY).to(device)
        return replace(self, network=network, fingerprint=files_fingerprint(path))

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances of pairs: two (pairs, 3, H, W) tensors in [0, 1] to (pairs,)."""
        if self.network is None:
            raise ModelError(f"{self.name} has no weights yet: call its `to(device)` and use what that returns")
        return self.network.distances(first, second)


PERCEPTNET: Final[PairMetric] = PerceptNetDistance()
