"""What is kept for the way back is what autograd keeps, worked out by hand, and the same without any numbers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from alignbench.alignet.activations import activation_bytes
from alignbench.models.families import load_tower, skeleton
from alignbench.models.preparation import Sized
from alignbench.models.towers import Tower
from folders import Folders


class Perceptron(Tower):
    """Two linear maps with a rectifier between them, twice over the same features."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(192, 16), nn.Linear(16, 4), nn.Linear(16, 5)
        self.layers, self.fingerprint, self.prepare = (), "", Sized(8)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.relu(self.first(pixels.float().flatten(1)))
        return self.second(found), self.third(found)


def test_each_storage_counts_once_and_weights_do_not() -> None:
    tower = Perceptron().requires_grad_(False)
    assert activation_bytes(tower, 8) == 4 * (192 + 16)  # pixels for the first map; what the rectifier gives for all
    assert not any(weight.requires_grad for weight in tower.parameters())
    assert activation_bytes(tower.to("meta"), 8) == 4 * (192 + 16)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_no_numbers_are_needed(tiny_tower: Folders, family: str) -> None:
    name = str(tiny_tower(family))
    assert activation_bytes(skeleton(name), 32) == activation_bytes(load_tower(name), 32) > 0


def test_more_blocks_keep_more(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTImageProcessor

    found = []
    for blocks in (1, 2, 4):
        folder = tmp_path / str(blocks)
        ViTConfig(
            hidden_size=8,
            num_hidden_layers=blocks,
            num_attention_heads=2,
            intermediate_size=24,
            image_size=16,
            patch_size=8,
            architectures=["ViTModel"],
        ).save_pretrained(folder)
        ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
        found.append(activation_bytes(skeleton(str(folder)), 16))
    assert found[2] - found[1] == 2 * (found[1] - found[0])
    tokens, width, hidden, heads = 5, 8, 24, 2
    least = tokens * (6 * width + 2 * hidden) + heads * tokens**2  # norms, q, k, v, what attention and the block give
    assert 4 * least <= found[1] - found[0] <= 2 * 4 * least
