"""Distances of image pairs: pure functions of tensors, and the accumulator that streams batches through them."""

from alignbench.distances.functional import DISTANCES
from alignbench.distances.streaming import LayerDistances

__all__ = ["DISTANCES", "LayerDistances"]
