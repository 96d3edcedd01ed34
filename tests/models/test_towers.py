"""Taps hand out the layers that are asked for and leave no trace; token views are as worked out by hand."""

import pytest
import torch

from alignbench.errors import UsageError
from alignbench.models.families import load_tower
from alignbench.models.towers import Layer, check_view, select_view, tap, view_tokens
from folders import Folders
from taps import picture, tapped


def test_taps_are_gone_afterwards(tiny_tower: Folders) -> None:
    tower = load_tower(str(tiny_tower("clip")))
    tapped(tower, tower.prepare(picture(40, 51))[None])
    assert not any(module._forward_hooks for module in tower.modules())


def test_only_the_layers_that_are_asked_for_are_tapped(tiny_tower: Folders) -> None:
    tower = load_tower(str(tiny_tower("clip")))
    heard: list[str] = []
    with tap(tower, tower.layers[1:3], lambda layer, features: heard.append(layer.name)), torch.inference_mode():
        tower(tower.prepare(picture(40, 51))[None])
    assert heard == ["layer_1", "layer_2"]


@pytest.mark.parametrize(
    ("view", "class_token", "expected"),
    [
        ("all", True, [[[9.0, 0.0], [1.0, 2.0], [3.0, 6.0]]]),
        ("cls", True, [[[9.0, 0.0]]]),
        ("mean", True, [[[2.0, 4.0]]]),
        ("mean", False, [[[13 / 3, 8 / 3]]]),
    ],
)
def test_token_views_by_hand(view: str, class_token: bool, expected: list[list[list[float]]]) -> None:
    features = torch.tensor([[[9.0, 0.0], [1.0, 2.0], [3.0, 6.0]]])
    layer = Layer("layer_1", 7.5, "block", tokens=3, channels=2)
    found = select_view(features, layer, view, class_token)
    torch.testing.assert_close(found, torch.tensor(expected))
    assert found.shape[1] == view_tokens(layer, view)


@pytest.mark.parametrize("view", ["all", "cls", "mean"])
def test_at_the_projection_all_views_coincide(view: str) -> None:
    features = torch.randn(4, 1, 5, generator=torch.Generator().manual_seed(0))
    layer = Layer("projection", 100.0, "head", tokens=1, channels=5)
    assert torch.equal(select_view(features, layer, view, True), features)


def test_a_tower_without_class_token_has_no_view_of_it(tiny_tower: Folders) -> None:
    check_view(load_tower(str(tiny_tower("clip"))), "cls")
    with pytest.raises(UsageError, match="needs a class token"):
        check_view(load_tower(str(tiny_tower("siglip"))), "cls")
