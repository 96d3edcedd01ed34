"""What a forward pass costs without numbers is what it costs with them, as published, and worked out by hand."""

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model_weights

from alignbench.models.cost import tower_cost
from alignbench.models.families import load_tower, skeleton
from alignbench.models.towers import Tower
from folders import Folders

pytestmark = pytest.mark.slow

CARD = "openai/clip-vit-base-patch32"
BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"


def counted(tower: Tower, side: int) -> int:
    """What PyTorch itself counts, with attention as the matrix products that it is."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        tower(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    return counter.get_total_flops()


@pytest.mark.parametrize("family", ["clip", "chinese_clip", "siglip"])
def test_operations_and_weights_of_tiny_towers(tiny_tower: Folders, family: str) -> None:
    name = str(tiny_tower(family))
    cost, tower = tower_cost(skeleton(name)), load_tower(name)
    assert cost.side == 32
    assert cost.flops == counted(tower, cost.side)
    assert cost.parameters == sum(weight.numel() for weight in tower.parameters())
    assert skeleton(name).layers == tower.layers


@pytest.mark.parametrize(
    ("name", "protocol"),
    [(CARD, "paper"), ("open_clip:ViT-B-32/openai", "paper"), (BIOMEDCLIP, "paper"), (BIOMEDCLIP, "corrected")],
)
def test_operations_of_full_size_towers(name: str, protocol: str) -> None:
    empty = skeleton(name, protocol=protocol)
    tower = load_tower(name, random_init=True, protocol=protocol)
    assert tower_cost(empty).flops == counted(tower, 224)
    assert empty.layers == tower.layers


@pytest.mark.parametrize(
    ("size", "published"),
    [("base-patch32", 8.8), ("base-patch16", 35.1), ("large-patch14", 162), ("large-patch14-336", 382)],
)
def test_operations_are_the_published_ones(size: str, published: float) -> None:
    assert tower_cost(skeleton(f"openai/clip-vit-{size}")).flops / 1e9 == pytest.approx(published, rel=0.005)


def test_no_weights_are_needed(tmp_path: Path, tiny_tower: Folders) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(tiny_tower("clip") / name, tmp_path)
    assert tower_cost(skeleton(str(tmp_path))) == tower_cost(skeleton(str(tiny_tower("clip"))))


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "swin_v2_t"])
def test_cnns_cost_what_torchvision_publishes(name: str) -> None:
    published, cost = get_model_weights(name).DEFAULT.meta, tower_cost(skeleton(f"torchvision:{name}"))
    assert cost.parameters == published["num_params"]
    assert cost.flops / 2e9 == pytest.approx(published["_ops"], abs=1e-3)


def test_operations_by_hand() -> None:
    """The shapes of a block's matrices, 65 tokens of 128 channels, 6 blocks, patches of 8 x 8 pixels."""
    tower = skeleton("shapes-clip")
    tokens, width = tower.layers[0].tokens, tower.layers[0].channels
    patches = (tokens - 1) * width * 3 * 8 * 8
    block = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * 4 * width
    assert tower_cost(tower).flops == 2 * (patches + 6 * block + width * tower.layers[-1].channels)
