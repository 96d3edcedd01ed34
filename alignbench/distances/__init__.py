"""Distances of image pairs: pure functions of tensors, and the accumulators that take in batches of features."""

from alignbench.distances.dense import DenseDistances, PairBlock
from alignbench.distances.functional import DISTANCES, ChannelFit
from alignbench.distances.streaming import ChannelActivity, LayerDistances

__all__ = ["DISTANCES", "ChannelActivity", "ChannelFit", "DenseDistances", "LayerDistances", "PairBlock"]
