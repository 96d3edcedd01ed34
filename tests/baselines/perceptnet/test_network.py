"""The network equals its formulas in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.perceptnet.network import PerceptNet
from perceptnet_weights import SHAPES, distance, loaded, photograph, random_weights, responses, tensor


@pytest.mark.parametrize(("width", "height"), [(14, 14), (96, 72), (37, 51)])
def test_responses_and_distances_are_those_of_the_formulas(
    width: int, height: int, weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = loaded(weights_file, monkeypatch)
    first, second = photograph(width, height), photograph(width, height, seed=0)
    assert metric.network is not None
    expected = responses(first, random_weights())
    np.testing.assert_allclose(metric.network(tensor(first))[0].numpy(), expected, atol=1e-5 * np.abs(expected).max())
    found = metric(torch.cat([tensor(first), tensor(second)]), torch.cat([tensor(second), tensor(second)]))
    np.testing.assert_allclose(found.numpy(), [distance(first, second, random_weights()), 0.0], rtol=1e-5)


def test_there_are_36368_weights() -> None:
    found = {name: tuple(value.shape) for name, value in PerceptNet().state_dict().items()}
    assert found == SHAPES
    # 3 + 3 | 9 + 3 | 9 + 3 | 450 + 6 | 36 + 6 | 19,200 + 128 | 16,384 + 128
    assert sum(value.numel() for value in PerceptNet().parameters()) == 36_368


def test_an_untrained_network_divides_by_a_tenth_of_its_own_square_plus_one() -> None:
    network, generator = PerceptNet(), torch.Generator().manual_seed(0)
    for layer, channels in ((network.gdn1, 3), (network.gdn2, 3), (network.gdn3, 6), (network.gdn4, 128)):
        x = torch.randn(2, channels, 4, 5, generator=generator)
        torch.testing.assert_close(layer(x), x / (0.1 * x**2 + 1.0).sqrt(), rtol=1e-3, atol=1e-6)


def test_fourteen_pixels_are_the_fewest(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = loaded(weights_file, monkeypatch)
    assert metric.min_side == 14
    for width, height in ((13, 40), (40, 13)):
        picture = tensor(photograph(width, height))
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            metric(picture, picture)
