"""Layers of torchvision's classifiers: features are those of torchvision's own extractor, bit for bit."""

from __future__ import annotations

import inspect

import pytest
import torch
from torchvision import models

from alignbench.models.families import load_tower, skeleton
from alignbench.models.torchvision_layers import ARCHITECTURES, find_anatomy
from alignbench.models.torchvision_names import architectures
from alignbench.models.towers import Tower
from taps import picture, tapped
from torchvision_nets import POOLED, SMALL, as_tokens, built, nodes

pytestmark = pytest.mark.slow


def compare(name: str, blocks: bool = True) -> None:
    """Hold usual layers, and those of every block, against torchvision's own extractor."""
    tower = load_tower(f"torchvision:{name}", random_init=True, seed=3)
    images = [picture(300, 280), picture(260, 400, seed=1)]
    preset = models.get_model_weights(name).DEFAULT.transforms()
    pixels = torch.stack([tower.prepare(image) for image in images])
    for layers in filter(None, (tower.layers, tower.blocks if blocks else ())):
        tower.layers = layers
        found = tapped(tower, pixels)
        paths = {
            layer.name: POOLED[name] if layer.is_input else layer.module.removeprefix("model.") for layer in layers
        }
        expected = nodes(built(name, 3), list(paths.values()), torch.stack([preset(image) for image in images]))
        assert ("projection" in found) == bool(POOLED[name])
        for layer in layers:
            wanted = as_tokens(expected[paths[layer.name]], layer.channels)
            assert torch.equal(found[layer.name], wanted), layer.name
            assert wanted.shape[1:] == (layer.tokens, layer.channels)
            assert wanted[0].ne(wanted[1]).any(), "a layer that does not see the picture tells nothing"


@pytest.mark.parametrize("name", [*SMALL, "alexnet"])
def test_features_are_torchvisions(name: str) -> None:
    compare(name)


@pytest.mark.parametrize("name", sorted(POOLED.keys() - {*SMALL, "alexnet"}))
def test_features_of_larger_ones_are_torchvisions(name: str) -> None:
    compare(name, blocks=False)  # which take long to be traced


def described(tower: Tower) -> list[tuple[str, float, str, int, int]]:
    return [
        (layer.name, round(layer.depth, 2), layer.module.removeprefix("model."), layer.tokens, layer.channels)
        for layer in tower.layers
    ]


def test_a_residual_network_has_stem_stages_and_its_pooled_output() -> None:
    tower = skeleton("torchvision:resnet50")
    assert described(tower) == [
        ("stem", 2.5, "maxpool", 3136, 64),
        ("stage_1", 19.5, "layer1", 3136, 256),  # 3 of 16 blocks: 7.5 + 90 * 2 / 15
        ("stage_2", 43.5, "layer2", 784, 512),
        ("stage_3", 79.5, "layer3", 196, 1024),
        ("stage_4", 97.5, "layer4", 49, 2048),
        ("projection", 100.0, "fc", 1, 2048),
    ]
    tower.layers = tower.blocks
    names = [layer[0] for layer in described(tower)]
    assert names == ["stem", *(f"block_{number}" for number in range(1, 17)), "projection"]
    assert described(tower)[4] == ("block_4", 25.5, "layer2.0", 784, 512)


def test_vgg_and_alexnet_have_groups_of_convolutions_and_a_classifier() -> None:
    assert described(skeleton("torchvision:alexnet")) == [
        ("stage_1", 7.5, "features.2", 27 * 27, 64),
        ("stage_2", 25.5, "features.5", 13 * 13, 192),
        ("stage_3", 43.5, "features.7", 13 * 13, 384),
        ("stage_4", 61.5, "features.9", 13 * 13, 256),
        ("stage_5", 79.5, "features.12", 6 * 6, 256),
        ("fc_1", 97.5, "classifier.1", 1, 4096),
        ("projection", 100.0, "classifier.4", 1, 4096),
    ]
    vgg = described(skeleton("torchvision:vgg16"))
    assert [(name, module) for name, _, module, _, _ in vgg] == [
        *((f"stage_{k}", f"features.{end}") for k, end in enumerate((4, 9, 16, 23, 30), start=1)),
        ("fc_1", "classifier.0"),
        ("projection", "classifier.3"),
    ]


def test_a_transformer_has_its_blocks_on_the_papers_axis() -> None:
    tower = skeleton("torchvision:vit_b_32")
    assert [layer.name for layer in tower.layers] == [*(f"layer_{n}" for n in range(13)), "projection"]
    assert [layer.depth for layer in tower.layers[:3]] == pytest.approx([2.5, 7.5, 7.5 + 90 / 11])
    assert {(layer.tokens, layer.channels, layer.has_prefix) for layer in tower.layers[:-1]} == {(50, 768, True)}
    assert (tower.has_class_token, tower.prefix_tokens, tower.blocks) == (True, 1, ())


def test_an_architecture_that_is_not_known_has_no_anatomy() -> None:
    assert find_anatomy(torch.nn.Identity()) is None


def test_every_classifier_of_torchvision_is_of_a_known_architecture() -> None:
    for name in architectures():
        module = inspect.getmodule(models.get_model_builder(name))
        classes = [
            kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__
        ]
        assert len(ARCHITECTURES & {kind.__name__ for kind in classes}) == 1, name


@pytest.mark.parametrize("name", ["densenet161", "mnasnet1_3", "regnet_x_400mf", "squeezenet1_0", "vit_h_14"])
def test_other_sizes_have_layers_in_the_order_of_depth(name: str) -> None:
    tower = skeleton(f"torchvision:{name}")
    for layers in filter(None, (tower.layers, tower.blocks)):
        depths = [layer.depth for layer in layers]
        assert depths == sorted(depths)
        assert (depths[0], len(depths) >= 4) == (2.5, True)
