"""Towers of timm's models: what settles them, and what they are before they have numbers."""

from __future__ import annotations

import pytest
import timm
import torch

from alignbench.errors import UsageError
from alignbench.models.families import load_tower, skeleton
from alignbench.models.layer_choice import choose_layers

VIT = "timm:test_vit"


def test_random_weights_are_timms_own_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    weights = timm.create_model("test_vit", pretrained=False, num_classes=0).state_dict()
    torch.manual_seed(11)
    before = torch.rand(1)
    torch.manual_seed(11)
    tower = load_tower(VIT, random_init=True, seed=5)
    skeleton(VIT)
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(tower.model.state_dict()[key], tensor) for key, tensor in weights.items())
    assert tower.fingerprint != load_tower(VIT, random_init=True, seed=6).fingerprint


def test_preparation_and_architecture_are_in_the_fingerprint() -> None:
    found = [load_tower(f"timm:{name}", random_init=True).fingerprint for name in ("resnet10t", "resnet14t")]
    names = ("resnet18.a1_in1k", "resnet18.fb_swsl_ig1b_ft_in1k")
    found += [load_tower(f"timm:{name}", random_init=True).fingerprint for name in names]
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    "name", ["test_vit3", "test_resnet", pytest.param("vit_tiny_r_s16_p8_224", marks=pytest.mark.slow)]
)
def test_the_skeleton_has_the_layers_of_the_tower_and_no_numbers(name: str) -> None:
    empty, tower = skeleton(f"timm:{name}"), load_tower(f"timm:{name}", random_init=True)
    assert (empty.layers, empty.blocks, empty.pooling) == (tower.layers, tower.blocks, tower.pooling)
    assert all(tensor.is_meta for tensor in (*empty.parameters(), *empty.buffers()))
    assert not any(tensor.is_meta for tensor in (*tower.parameters(), *tower.buffers()))


def test_modules_by_path_are_layers() -> None:
    tower = skeleton("timm:test_resnet")
    chosen = choose_layers(tower, ["layer2.0.conv1", "global_pool"])
    assert [layer.name for layer in chosen] == ["layer2.0.conv1", "global_pool"]
    with pytest.raises(UsageError, match=r"^unknown layer 'layer9': did you mean layer"):
        choose_layers(tower, ["layer9"])


def test_the_whole_model_gives_its_pooled_output() -> None:
    tower = skeleton(VIT)
    assert tower(torch.zeros(2, 3, 160, 160, dtype=torch.uint8, device="meta")).shape == (2, 64)
