"""Workloads for sources, from pictures and pairs of them."""

import numpy as np
import torch
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.datasets.images import ImageSource
from alignbench.distances.functional import ChannelFit
from alignbench.distances.names import DISTANCES
from alignbench.extraction.progress import RunSummary
from alignbench.extraction.sharding import assign
from alignbench.extraction.source import PairWorkload


def workload_of(
    images: ImageSource,
    pairs: NDArray[np.int64],
    weights: Floats | None = None,
    batch_size: int = 4,
    ranks: int = 1,
    dense: bool | None = None,
) -> PairWorkload:
    """All distances of some pairs, which count as often as the weights say, (pairs,), in the channel means."""
    count = len(images.names)
    times = np.ones(len(pairs)) if weights is None else weights
    fit = ChannelFit(torch.from_numpy(times)[None], torch.zeros(len(pairs), dtype=torch.long))
    assignment = assign(pairs, count, batch_size, ranks, dense)
    return PairWorkload(images, pairs, DISTANCES, fit, assignment, RunSummary("tower", "pictures", count, len(pairs)))
