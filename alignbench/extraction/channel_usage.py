"""How evenly the channels of a layer share its activity: the rows of `channels.csv`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from alignbench.distances.functional import participation_ratio
from alignbench.models.towers import Layer


@dataclass(frozen=True)
class ChannelUse:
    """How evenly a quantity is shared by the channels of a layer: a row of `channels.csv`.

    Attributes:
        layer: Name of the layer.
        depth: Percent of the network.
        quantity: `mean_square`, the mean squared activation, or `mean_difference`, m[c] (averaged over folds).
        top_channel: The channel with the largest share; of equal ones the first.
        top_share: Its share of the sum over channels; 0 where all are zero.
        participation_ratio: (sum v)^2 / sum v^2: 1 if one channel has it all, their number if all have the same.
        channels: Number of channels.
    """

    layer: str
    depth: float
    quantity: str
    top_channel: int
    top_share: float
    participation_ratio: float
    channels: int


def channel_use(layer: Layer, quantity: str, values: Tensor) -> ChannelUse:
    """Tell how evenly the channels of a layer share a quantity.

    Args:
        layer: The layer.
        quantity: Name of the quantity, see `ChannelUse`.
        values: The quantity of each channel, (channels,), non-negative.
    """
    top, total = int(values.argmax()), float(values.double().sum())
    share = float(values[top]) / total if total else 0.0
    return ChannelUse(layer.name, layer.depth, quantity, top, share, participation_ratio(values), len(values))
