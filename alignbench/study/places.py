"""Places of a curve at which runs are compared: the projection, and the best layer before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignbench.arrays import Floats
from alignbench.models.layer_names import is_block, is_plain
from alignbench.statistics.paired import Place


def at_projection(layers: Sequence[str], scores: Floats) -> Place:
    """The projection as it is; the last layer of a tower without one, the only one of a baseline.

    Args:
        layers: Names of the layers of a run.
        scores: Theirs, (layers, 1 + resamples).
    """
    last = max(index for index, layer in enumerate(layers) if is_plain(layer))
    return scores[last], layers[last]


def at_best(layers: Sequence[str], scores: Floats) -> Place:
    """The highest layer before the projection in each resample, named after that of the whole; arguments as above."""
    kept = [index for index, layer in enumerate(layers) if is_block(layer)] or [0]
    some = scores[kept]
    if np.isnan(some[:, 0]).all():
        return some[0], ""
    return np.fmax.reduce(some, axis=0), layers[kept[int(np.nanargmax(some[:, 0]))]]
