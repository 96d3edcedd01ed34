"""Parts of towers: which are found, and which towers are refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm import layers as timm_layers
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import ParallelScalingBlock, ParallelThingsBlock, ResPostBlock
from torch import nn

from alignbench.errors import UsageError
from alignbench.interpret.anatomy import find_anatomy
from alignbench.interpret.parts import PoolingTower, ResidualTower
from alignbench.models.families import load_tower, skeleton
from alignbench.models.towers import Tower
from openclip_towers import TOWERS, save
from reference import save_siglip
from small_vits import timm_tower, towered


def _open(kind: str, **changes: Any) -> Callable[[Path], Tower]:
    def make(folder: Path) -> Tower:
        config = TOWERS[kind] | {"vision_cfg": TOWERS[kind]["vision_cfg"] | changes}
        return load_tower(str(save(folder / "it", config)))

    return make


def _bare_siglip(folder: Path) -> Tower:
    save_siglip(folder / "it")
    config = json.loads((folder / "it/config.json").read_text())
    config["vision_config"]["vision_use_head"] = False
    (folder / "it/config.json").write_text(json.dumps(config))
    return load_tower(str(folder / "it"), random_init=True)


REFUSED: dict[str, tuple[Callable[[Path], Tower], str]] = {
    "average": (lambda _: timm_tower(global_pool="avg"), "its tokens are averaged"),
    "maximum": (lambda _: timm_tower(global_pool="max"), "pooled otherwise than by a class token"),
    "post-norm": (lambda _: timm_tower(block_fn=ResPostBlock), "its blocks are ResPostBlock"),
    "parallel": (lambda _: timm_tower(block_fn=ParallelScalingBlock), "its blocks are ParallelScalingBlock"),
    "side by side": (lambda _: timm_tower(block_fn=ParallelThingsBlock), "its blocks are ParallelThingsBlock"),
    "differential": (
        lambda _: timm_tower(attn_layer=timm_layers.DiffAttention, num_heads=2),
        "its attention is a DiffAttention",
    ),
    "normed heads": (lambda _: timm_tower(scale_attn_norm=True), "normed or gated before its heads"),
    "no last norm": (lambda _: timm_tower(final_norm=False), "its last norm is none, and no LayerNorm"),
    "another norm": (lambda _: timm_tower(norm_layer="rmsnorm"), "its last norm is a RmsNorm, and no LayerNorm"),
    "refined pooling": (lambda _: timm_tower(global_pool="prr"), "pooled otherwise than by a class token"),
    "a norm behind the pooling": (
        lambda _: timm_tower(class_token=False, global_pool="map", fc_norm=True),
        "more than one query, no MLP, positions or a norm of its own",
    ),
    "distilled": (
        lambda _: towered(
            VisionTransformerDistilled(
                img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=0, global_pool="token"
            )
        ),
        "it is a VisionTransformerDistilled",
    ),
    "ResNet of timm": (lambda _: skeleton("timm:test_resnet"), "it is a ResNet"),
    "ResNet of open_clip": (_open("resnet"), "it is a ModifiedResNet"),
    "several queries": (_open("pooled"), "its tokens are pooled by several queries"),
    "average of open_clip": (_open("own", pool_type="avg"), "its tokens are averaged"),
    "scaled heads": (_open("own", block_type="custom", scale_heads=True), "normed or scaled in a way of its own"),
    "norm of the attention": (
        _open("own", block_type="custom", scale_attn=True),
        "normed or scaled in a way of its own",
    ),
    "MLP as a projection": (_open("timm", timm_proj="mlp"), "its projection is an MLP, and no linear map"),
    "rotary positions": (_open("eva"), "its trunk is a Eva"),
    "a trunk of convolutions": (_open("swin"), "its trunk is a SwinTransformer"),
    "SigLIP without its head": (_bare_siglip, "it was saved without its pooling head"),
    "torchvision": (lambda _: skeleton("torchvision:vit_b_32"), "it is a"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tower_without_an_exact_sum_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    if name in ("differential", "refined pooling") and not hasattr(timm_layers, "DiffAttention"):
        pytest.skip("timm has neither yet")
    make, why = REFUSED[name]
    tower = make(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_anatomy(tower)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("the output of this model is no sum over heads that is known exactly: ")
    assert why in line
    assert line.endswith("; choose a CLIP or ViT with class token, or SigLIP")


def test_a_tower_of_a_plug_in_is_refused() -> None:
    with pytest.raises(UsageError, match="it is a NoneType"):
        find_anatomy(Tower())


def test_sizes_are_those_of_the_configuration() -> None:
    found = find_anatomy(skeleton("openai/clip-vit-base-patch32"))
    assert isinstance(found, ResidualTower)
    assert (found.layers, found.heads, found.width, found.has_constant) == (12, 12, 512, False)
    found = find_anatomy(skeleton("open_clip:ViT-B-16/laion2b_s34b_b88k"))
    assert (found.layers, found.heads, found.width) == (12, 12, 512)
    found = find_anatomy(skeleton("google/siglip-base-patch16-224"))
    assert isinstance(found, PoolingTower)
    assert (found.layers, found.heads, found.width, found.has_constant) == (1, 12, 768, True)
    found = find_anatomy(skeleton("timm:test_vit"))
    assert (found.layers, found.heads, found.width) == (6, 2, 64)


def test_the_query_of_a_pooling_head_is_fixed() -> None:
    pool = timm_tower(class_token=False, global_pool="map")
    found = find_anatomy(pool)
    assert isinstance(found, PoolingTower)
    model: Any = pool.model
    assert isinstance(found.attention.query, torch.Tensor)
    with torch.no_grad():
        expected = model.attn_pool.q(model.attn_pool.latent)[0, 0]
    assert torch.equal(found.attention.query, expected)


def test_registers_are_tokens_like_others() -> None:
    found = find_anatomy(timm_tower(reg_tokens=3))
    assert isinstance(found, ResidualTower)


def test_a_classifier_that_was_left_is_the_projection() -> None:
    model = timm.create_model("test_vit", num_classes=7)
    tower = skeleton("timm:test_vit")
    tower.model = model
    found = find_anatomy(tower)
    assert (found.width, isinstance(found.output, nn.Module)) == (7, True)
