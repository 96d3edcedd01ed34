"""Small checkpoints of open_clip, its architectures at full size, and what their towers are made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from timm.models import register_model
from timm.models.eva import Eva
from timm.models.fastvit import FastVit, RepConditionalPosEnc
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import Tensor, nn

from alignbench.models.towers import Tower
from taps import picture

BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
TEXT = {"context_length": 5, "vocab_size": 16, "width": 8, "heads": 1, "layers": 1}
_OWN = {"layers": 3, "width": 32, "head_width": 8, "patch_size": 8, "image_size": 32, "mlp_ratio": 2.0}
TRUNK = {"timm_model_name": "vit_with_class_token", "timm_pool": "", "timm_proj": "linear", "image_size": 32}
_POOLED_TRUNK = {"timm_pool": "map", "timm_proj": "none", "image_size": 32}


@register_model
def vit_with_class_token(**options: Any) -> TimmTransformer:
    """A small trunk that timm knows by name."""
    return small_trunk(class_token=True, **options)


@register_model
def vit_of_patches(**options: Any) -> TimmTransformer:
    """The same without class token, as SigLIP's."""
    return small_trunk(class_token=False, **options)


def small_trunk(class_token: bool, global_pool: str = "token", num_classes: int = 0, **_: object) -> TimmTransformer:
    trunk = TimmTransformer(
        img_size=32,
        patch_size=8,
        embed_dim=48,
        depth=3,
        num_heads=3,
        class_token=class_token,
        global_pool=global_pool,
        num_classes=num_classes,
    )
    trunk.default_cfg = {}
    return trunk


@register_model
def eva_small(**options: Any) -> Eva:
    """A small trunk with rotary positions, gated blocks and a norm after them, as EVA02's."""
    trunk = Eva(
        img_size=32,
        patch_size=8,
        embed_dim=48,
        depth=3,
        num_heads=3,
        qkv_fused=False,
        swiglu_mlp=True,
        scale_mlp=True,
        use_rot_pos_emb=True,
        global_pool=options["global_pool"],
        num_classes=options["num_classes"],
    )
    trunk.default_cfg = {}
    return trunk


@register_model
def swin_small(**_: object) -> SwinTransformer:
    """A small trunk whose maps have their channels last."""
    trunk = SwinTransformer(
        img_size=32, patch_size=4, embed_dim=16, depths=(1, 2), num_heads=(2, 2), window_size=4, num_classes=0
    )
    trunk.default_cfg = {}
    return trunk


@register_model
def fastvit_small(**options: Any) -> FastVit:
    """A small trunk of branches that can be fused, as MobileCLIP's."""
    trunk = FastVit(
        layers=(1, 1, 2, 1),
        token_mixers=("repmixer", "repmixer", "repmixer", "attention"),
        embed_dims=(16, 32, 64, 64),
        mlp_ratios=(2, 2, 2, 2),
        downsamples=(False, True, True, True),
        se_downsamples=(False, False, True, False),
        pos_embs=(None, None, None, RepConditionalPosEnc),
        lkc_use_act=True,
        global_pool=options["global_pool"],
        num_classes=options["num_classes"],
    )
    trunk.default_cfg = {}
    return trunk


def _trunk(name: str, side: int = 32) -> dict[str, Any]:
    """A trunk that gives the projection itself."""
    return {"timm_model_name": name, "timm_pool": "", "timm_proj": None, "image_size": side}


TOWERS: dict[str, dict[str, Any]] = {
    "own": {"embed_dim": 24, "vision_cfg": _OWN},
    "quick": {"embed_dim": 24, "vision_cfg": _OWN, "quick_gelu": True},
    "pooled": {
        "embed_dim": 24,
        "vision_cfg": _OWN | {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
    },
    "timm": {"embed_dim": 40, "vision_cfg": TRUNK},
    "map": {"embed_dim": 48, "vision_cfg": {"timm_model_name": "vit_with_class_token"} | _POOLED_TRUNK},
    "patches": {"embed_dim": 48, "vision_cfg": {"timm_model_name": "vit_of_patches"} | _POOLED_TRUNK},
}
every_transformer = pytest.mark.parametrize("kind", list(TOWERS))
OTHERS: dict[str, dict[str, Any]] = {
    "resnet": {
        "embed_dim": 24,
        "vision_cfg": {"layers": [1, 2, 1, 1], "width": 8, "head_width": 16, "image_size": 64, "patch_size": None},
    },
    "convnext": {
        "embed_dim": 24,
        "vision_cfg": {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp", "image_size": 64},
    },
    "swin": {"embed_dim": 24, "vision_cfg": _trunk("swin_small") | {"timm_proj": "linear"}},
    "registers": {
        "embed_dim": 24,
        "vision_cfg": _trunk("test_vit2", 160) | {"timm_proj": "linear"},
    },
    "eva": {"embed_dim": 24, "vision_cfg": _trunk("eva_small") | {"timm_pool": "token"}},
    "mobileclip": {"embed_dim": 24, "vision_cfg": _trunk("fastvit_small", 64) | {"timm_pool": "avg"}},
}
for _config in (*TOWERS.values(), *OTHERS.values()):
    _config["text_cfg"] = TEXT
TOWERS |= OTHERS
every_tower = pytest.mark.parametrize("kind", list(TOWERS))

# Blocks, tokens, channels, width of the projection, whether there is a class token, as the paper's protocol sees them.
ARCHITECTURES = {
    BIOMEDCLIP: (12, 196, 768, 512, False),
    "open_clip:ViT-B-32/openai": (12, 50, 768, 512, True),
    "open_clip:ViT-B-16/openai": (12, 197, 768, 512, True),
    "open_clip:ViT-L-14/openai": (24, 257, 1024, 768, True),
    "open_clip:ViT-B-32/datacomp_m_s128m_b4k": (12, 50, 768, 512, True),
    "open_clip:ViT-B-16/laion2b_s34b_b88k": (12, 197, 768, 512, True),
    "open_clip:ViT-L-14/laion2b_s32b_b82k": (24, 257, 1024, 768, True),
}


def save(folder: Path, config: dict[str, Any], preprocess: dict[str, Any] | None = None, seed: int = 0) -> Path:
    """A checkpoint directory of open_clip with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess or {}}))
    torch.manual_seed(seed)
    model = whole_model(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: else some branches give nothing
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    save_file(model.state_dict(), folder / WEIGHTS)
    return folder


def whole_model(config: dict[str, Any]) -> Any:
    vision = dict(config["vision_cfg"])
    return open_clip.CLIP(config["embed_dim"], vision, dict(TEXT), quick_gelu=config.get("quick_gelu", False))


def copy(folders: Callable[[str], Path], kind: str, to: Path) -> Path:
    shutil.copytree(folders(kind), to / kind)
    return to / kind


def prepared(tower: Tower, count: int) -> Tensor:
    return torch.stack([tower.prepare(picture(250 + seed, 231, seed)) for seed in range(count)])


def activations(tower: Any) -> set[str]:
    return {type(module).__name__ for module in tower.modules() if "GELU" in type(module).__name__}
