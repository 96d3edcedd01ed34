"""Layers from the paths of a model's modules: their depths are shares of its blocks, their sizes what passes there."""

import torch
from torch import Tensor, nn

from alignbench.models.module_outputs import Tap
from alignbench.models.module_plan import ModulePlan, find_layers


class Toy(nn.Module):
    """A stem, two stages of one and two blocks, and a head, at `model` as in towers."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, 4, 2, stride=2),
            nn.Sequential(nn.Conv2d(4, 6, 1)),
            nn.Sequential(nn.Conv2d(6, 8, 2, stride=2), nn.Conv2d(8, 8, 1)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5),
        )

    def forward(self, pixels: Tensor) -> object:
        return self.model(pixels.float())


def test_depths_are_shares_of_blocks_and_sizes_what_passes() -> None:
    plan = ModulePlan(("1.0", "2.0", "2.1"), ("1", "2"), "0", Tap("5", is_input=True))
    with torch.device("meta"):
        toy = Toy()
    usual, every = find_layers(plan, toy, 16)
    assert [(layer.name, layer.depth, layer.module, layer.tokens, layer.channels) for layer in usual] == [
        ("stem", 2.5, "model.0", 64, 4),
        ("stage_1", 7.5, "model.1", 64, 6),
        ("stage_2", 97.5, "model.2", 16, 8),
        ("projection", 100.0, "model.5", 1, 8),
    ]
    assert [(layer.name, layer.depth) for layer in every] == [
        ("stem", 2.5),
        ("block_1", 7.5),
        ("block_2", 52.5),
        ("block_3", 97.5),
        ("projection", 100.0),
    ]
    assert [layer.is_input for layer in usual] == [False, False, False, True]
    assert {layer.axes for layer in every[:-1]} == {"BCHW"}
    assert not any(layer.has_prefix for layer in usual)


def test_a_model_without_stages_has_its_blocks_alone() -> None:
    with torch.device("meta"):
        toy = Toy()
    usual, every = find_layers(ModulePlan(("1.0", "2.0"), ()), toy, 16)
    assert [layer.name for layer in usual] == ["block_1", "block_2"]
    assert every == ()
