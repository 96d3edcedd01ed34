"""Models are built without memory for their weights, and what they compute of their configuration is there."""

from __future__ import annotations

import torch
from torch import nn

from alignbench.models.hollow import WithoutMemory


def test_weights_are_without_memory_and_computed_numbers_are_not() -> None:
    with WithoutMemory():
        layer, grid = nn.Linear(10**6, 10**6), torch.arange(4).float()
    assert layer.weight.is_meta
    assert grid.tolist() == [0, 1, 2, 3]


def test_a_picture_sent_through_while_a_model_is_built_has_no_numbers_either() -> None:
    with WithoutMemory():
        assert nn.Conv2d(3, 8, 2)(torch.zeros(1, 3, 6, 6)).shape == (1, 8, 5, 5)
        assert not torch.zeros(1, 4, 6, 6).is_meta
        assert not torch.zeros(1, 3, 6, 6, device="cpu").is_meta
