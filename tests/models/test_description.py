"""A model is described without its weights, and baselines and unknown ones are refused."""

from __future__ import annotations

import pytest
from torchvision import models

from alignbench.errors import UsageError
from alignbench.models.description import LayerDescription, describe
from alignbench.models.families import load_tower


def test_a_cnn_is_described_by_what_torchvision_publishes() -> None:
    found, published = describe("torchvision:resnet18", ["all"], "paper"), models.ResNet18_Weights.DEFAULT.meta
    assert found.parameters == published["num_params"]
    assert found.flops / 2e9 == pytest.approx(published["_ops"], rel=1e-3)
    assert (found.height, found.width, found.class_token, found.registers) == (224, 224, False, 0)
    assert found.preparation == "shortest side to 256, bilinear, central square of 224, rounded to even"
    assert found.projection.startswith("average over the last map")
    assert found.layers[0] == LayerDescription("stem", 2.5, 3136, 64, "maxpool", False)
    assert found.layers[-1] == LayerDescription("projection", 100.0, 1, 512, "fc", True)


@pytest.mark.parametrize("name", ["shapes-clip", "random:shapes-clip"])
def test_a_transformer_is_described_by_its_tower(name: str) -> None:
    found, tower = describe(name, ["all"], "paper"), load_tower("shapes-clip", random_init=True)
    assert found.name == "shapes-clip"
    assert found.parameters == sum(weight.numel() for weight in tower.parameters())
    shown = [(layer.name, layer.depth, layer.tokens, layer.channels) for layer in found.layers]
    assert shown == [(layer.name, layer.depth, layer.tokens, layer.channels) for layer in tower.layers]
    assert found.layers[1].module == "vision_model.encoder.layers.0"
    assert (found.class_token, found.registers, found.height) == (True, 0, 64)


def test_what_is_said_of_a_module_can_be_asked_for() -> None:
    for name in ("torchvision:resnet18", "shapes-clip", "open_clip:ViT-B-32/openai"):
        modules = [layer.module for layer in describe(name, ["all"], "paper").layers]
        assert {layer.module for layer in describe(name, modules, "paper").layers} == set(modules)


def test_baselines_and_unknown_models_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^pixels is a baseline, which has no layers: name a model"):
        describe("pixels", ["all"], "paper")
    with pytest.raises(UsageError, match="did you mean shapes-clip"):
        describe("shapes-clop", ["all"], "paper")
    with pytest.raises(UsageError, match="unknown layer 'layer_9': did you mean"):
        describe("shapes-clip", ["layer_9"], "paper")
