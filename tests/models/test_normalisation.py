"""Normalisation by table gives every value of a pixel what the table has for it, channel by channel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from alignbench.models.normalisation import Normalise, check_order


def table(mean: list[float], spread: list[float]) -> torch.Tensor:
    """What (value / 255 - mean) / spread is for the 256 values, worked out in float64, (3, 256)."""
    values = (np.arange(256) / 255.0 - np.array(mean)[:, None]) / np.array(spread)[:, None]
    return torch.from_numpy(values.astype(np.float32))


def test_pictures_are_normalised_as_by_the_formula_and_to_the_last_bit_as_by_the_table() -> None:
    mean, spread = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
    pixels = torch.randint(0, 256, (4, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[0, :, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    found = Normalise(table(mean, spread))(pixels)
    assert found.dtype == torch.float32
    numbers = pixels.double().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found.numpy().transpose(0, 2, 3, 1), (numbers / 255.0 - mean) / spread, atol=1e-6)
    listed, values, chosen = table(mean, spread).numpy(), found.numpy(), pixels.numpy()
    for place in np.ndindex(*values.shape):
        assert values[place] == listed[place[1], chosen[place]]


def test_a_batch_in_any_layout_of_memory_is_the_same_and_an_empty_one_stays_empty() -> None:
    normalise = Normalise(table([0.1, 0.2, 0.3], [0.5, 1.0, 2.0]))
    pixels = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)
    channels_last = pixels.contiguous(memory_format=torch.channels_last)
    assert not channels_last.is_contiguous()
    assert torch.equal(normalise(channels_last), normalise(pixels))
    assert torch.equal(normalise(pixels[:, :, ::2, 1:4]), normalise(pixels)[:, :, ::2, 1:4])
    assert normalise(pixels[:0]).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("shape", [(256, 3), (1, 256), (3, 255), (3,)])
def test_a_table_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^a table of \(\d+,.*\) values, not of 256 in each of 3 channels$"):
        Normalise(torch.zeros(shape))


def test_the_table_goes_with_the_tower_and_is_none_of_its_weights() -> None:
    normalise = Normalise(table([0.5] * 3, [0.5] * 3))
    assert normalise.state_dict() == {}, "checkpoints have no such weight"
    assert not list(normalise.parameters())
    assert normalise.to("meta").values.is_meta


def test_a_table_keeps_values_apart_and_in_their_order() -> None:
    good = table([0.48, 0.46, 0.41], [0.27, 0.26, 0.28])
    check_order(good)
    flat, turned, endless = good.clone(), table([0.5] * 3, [0.5, -0.5, 0.5]), good.clone()
    flat[2, 100] = flat[2, 99]
    endless[1, 255] = torch.inf
    for wrong in (flat, turned, endless, torch.full_like(good, torch.nan)):
        with pytest.raises(ValueError, match="no larger number of a brighter pixel"):
            check_order(wrong)
