"""Distances of image pairs: pure functions of tensors, and the accumulator that streams batches through them."""

from alignbench.distances.functional import DISTANCES, ChannelFit
from alignbench.distances.streaming import ChannelActivity, LayerDistances

__all__ = ["DISTANCES", "ChannelActivity", "ChannelFit", "LayerDistances"]
