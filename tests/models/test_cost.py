"""What a forward pass costs by the shapes of weights is what PyTorch counts and what is published."""

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from alignbench.errors import UsageError
from alignbench.models.cost import tower_cost
from alignbench.models.families import load_tower, skeleton
from alignbench.models.towers import Tower
from folders import Folders

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


@pytest.mark.slow
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


def test_a_tower_of_another_build_is_refused() -> None:
    tower = load_tower("shapes-clip", random_init=True)
    tower.model = torch.nn.Identity()
    with pytest.raises(
        UsageError, match=r"^what a tower without blocks in encoder\.layers or .* cannot be counted: leave"
    ):
        tower_cost(tower)
