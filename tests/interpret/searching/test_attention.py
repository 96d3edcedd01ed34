"""What heads attend to, against the attention that transformers and torch themselves hand out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPVisionModelWithProjection, SiglipVisionModel

from alignbench.interpret.searching.asked import DecomposedPicture, PreparedPicture, decomposed
from alignbench.interpret.searching.attention import attention_map
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower
from decomposed import normalised, pictures
from openclip_towers import TOWERS, save
from reference import save_clip, save_siglip

PIXELS = pictures(32, count=1)


def asked(tower: Tower) -> DecomposedPicture:
    return decomposed(tower, PreparedPicture("it.png", "sha", PIXELS[0].numpy()))


def values_of(tower: Tower) -> torch.Tensor:
    return torch.from_numpy(normalised(tower, PIXELS)).float()


def hears(module: torch.nn.MultiheadAttention) -> list[torch.Tensor]:
    """Collects the whole attention of a module of torch, (B, H, Q, N), as torch works it out itself."""
    heard: list[torch.Tensor] = []
    forward = type(module).forward

    def attend(_: object, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        query, key, value = (
            given[n] if n < len(given) else named[name] for n, name in enumerate(("query", "key", "value"))
        )
        heard.append(forward(module, query, key, value, need_weights=True, average_attn_weights=False)[1])

    module.register_forward_pre_hook(attend, with_kwargs=True)
    return heard


@torch.no_grad()
def test_attention_of_clip_is_that_of_transformers(tmp_path: Path) -> None:
    save_clip(tmp_path)
    tower = load_tower(str(tmp_path))
    model = CLIPVisionModelWithProjection.from_pretrained(tmp_path, attn_implementation="eager").eval()
    every = model(values_of(tower), output_attentions=True).attentions
    wanted = torch.stack([each[0, :, 0, 1:] for each in every])  # of the class token, to the patches
    np.testing.assert_allclose(asked(tower).attention, wanted, atol=2e-5)


@torch.no_grad()
def test_attention_of_siglip_is_that_of_its_pooling_head(tmp_path: Path) -> None:
    save_siglip(tmp_path)
    tower = load_tower(str(tmp_path))
    model = SiglipVisionModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    (pooling,) = [each for each in model.modules() if isinstance(each, torch.nn.MultiheadAttention)]
    heard = hears(pooling)
    model(values_of(tower))
    found = asked(tower).attention
    assert found.shape[0] == 1
    np.testing.assert_allclose(found[0], heard[0][0, :, 0], atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=2), 1.0, atol=1e-6)  # there is no class token


@torch.no_grad()
def test_attention_of_open_clip_is_that_of_torch(tmp_path: Path) -> None:
    tower = load_tower(str(save(tmp_path, TOWERS["own"])))
    model: Any = tower.model
    heard = [hears(each) for each in model.modules() if isinstance(each, torch.nn.MultiheadAttention)]
    found = asked(tower).attention
    assert len(heard) == len(found) > 1
    for layer, each in enumerate(heard):
        np.testing.assert_allclose(found[layer], each[0][0, :, 0, 1:], atol=2e-5)


def test_the_mean_over_heads_is_taken() -> None:
    attention = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(attention_map(attention, [(1, 0), (2, 2)]), [(0 + 10) / 2, (1 + 11) / 2])
    np.testing.assert_array_equal(attention_map(attention, [(2, 1)]), [8, 9])
