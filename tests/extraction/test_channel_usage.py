"""The channel that a layer leans on most, its share of the whole, and how many channels share it."""

import pytest
import torch

from alignbench.extraction.channel_usage import channel_use
from alignbench.models.towers import Layer

LAYER = Layer("layer_3", 22.5, "blocks.3", 17, 4)


def test_the_share_is_of_the_sum_and_the_ratio_counts_channels() -> None:
    use = channel_use(LAYER, "mean_square", torch.tensor([1.0, 5.0, 2.0, 2.0]))
    assert (use.layer, use.depth, use.quantity, use.channels) == ("layer_3", 22.5, "mean_square", 4)
    assert use.top_channel == 1
    assert use.top_share == pytest.approx(5 / 10)
    assert use.participation_ratio == pytest.approx(10**2 / (1 + 25 + 4 + 4))


@pytest.mark.parametrize("channels", [1, 7])
def test_equal_channels_share_evenly_and_the_first_is_named(channels: int) -> None:
    use = channel_use(LAYER, "mean_difference", torch.full((channels,), 0.1))
    assert use.top_channel == 0
    assert use.top_share == pytest.approx(1 / channels)
    assert use.participation_ratio == pytest.approx(channels)


def test_a_silent_layer_has_no_share_instead_of_a_division_by_zero() -> None:
    use = channel_use(LAYER, "mean_difference", torch.zeros(4))
    assert (use.top_channel, use.top_share, use.participation_ratio) == (0, 0.0, 0.0)


def test_many_small_channels_are_not_lost_beside_a_large_one() -> None:
    values = torch.ones(100_001)
    values[-1] = 2.0**30  # in float32 this and 1 is this again
    use = channel_use(LAYER, "mean_square", values)
    assert use.top_channel == 100_000
    assert use.top_share == pytest.approx(2**30 / (2**30 + 100_000), rel=1e-9)
