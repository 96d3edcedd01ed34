"""Small towers of every family whose output is decomposed, with what their plain reference needs."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from alignbench.models.families import load_tower
from alignbench.models.timm_preparation import TimmPreparation
from alignbench.models.timm_towers import TimmTower
from alignbench.models.towers import Tower
from decomposed import (
    OPEN_NAMES,
    SIGLIP_NAMES,
    Array,
    Expected,
    Named,
    PlainTower,
    clip_names,
    shuffle_weights,
    timm_names,
)
from openclip_towers import TOWERS, save
from reference import save_chinese_clip, save_clip, save_siglip

SIDE = 32


def timm_tower(**options: Any) -> Tower:
    """A small ViT of timm with weights drawn anew; what is said of its architecture is given as options."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"img_size": SIDE, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3}
    return towered(VisionTransformer(**{**shape, "num_classes": 0, **options}))


def towered(model: Any) -> Tower:
    """A tower of a model of timm, for pictures of 32 x 32."""
    settings = timm.get_pretrained_cfg("test_vit").to_dict() | {"input_size": (3, SIDE, SIDE)}
    tower = TimmTower(copy.deepcopy(model).to("meta"), "it", TimmPreparation("it", settings)).filled(model, "0")
    shuffle_weights(tower)
    return tower


@dataclass(frozen=True)
class Case:
    """A family.

    Attributes:
        make: Makes a tower of it, in a folder that is not there yet.
        names: What its weights are called.
        heads: Heads of a layer.
        activation: What its documentation says of its MLPs: its configuration, or the options it is built with.
        eps: Of its norms.
        pooling: Prefix of its pooling head, if its output is made by one; with what that is made of.
    """

    make: Callable[[Path], Tower]
    names: Named
    heads: int
    activation: str
    eps: float
    pooling: tuple[str, dict[str, str]] | None = None

    def plain(self, tower: Tower, activation: str = "") -> PlainTower:
        return PlainTower(tower, self.names, self.heads, activation or self.activation, self.eps)

    def expected(self, plain: PlainTower, picture: Array) -> Expected:
        if self.pooling is None:
            return plain.by_class_token(picture)
        prefix, parts = self.pooling
        named = {part: f"{prefix}{name}" for part, name in parts.items()}
        query, maps = (_siglip_query if "probe" in named else _latent_query)(plain, named)
        return plain.by_pooling(picture, named, query, maps)


def _siglip_query(plain: PlainTower, named: dict[str, str]) -> tuple[Array, dict[str, Any]]:
    probe, weight, bias = (plain[named[part]] for part in ("probe", "weight", "bias"))
    (query, key, value), biases = np.split(weight, 3), np.split(bias, 3)
    return query @ probe[0, 0] + biases[0], {"key": (key, biases[1]), "value": (value, biases[2])}


def _latent_query(plain: PlainTower, named: dict[str, str]) -> tuple[Array, dict[str, Any]]:
    latent, weight, bias = (plain[named[part]] for part in ("latent", "kv_weight", "kv_bias"))
    (key, value), biases = np.split(weight, 2), np.split(bias, 2)
    return plain.linear(latent[0, 0], named["q"]), {"key": (key, biases[0]), "value": (value, biases[1])}


_SIGLIP_HEAD = {
    **{"probe": "probe", "weight": "attention.in_proj_weight", "bias": "attention.in_proj_bias"},
    **{"out": "attention.out_proj", "norm": "layernorm", "first": "mlp.fc1", "second": "mlp.fc2"},
}
_LATENT = {
    **{"latent": "latent", "q": "q", "kv_weight": "kv.weight", "kv_bias": "kv.bias", "out": "proj"},
    **{"norm": "norm", "first": "mlp.fc1", "second": "mlp.fc2"},
}


def _saved(write: Callable[[Path], object], activation: str = "") -> Callable[[Path], Tower]:
    """A tower in the format of transformers, whose configuration may name another activation."""

    def make(folder: Path) -> Tower:
        write(folder)
        if activation:
            config = json.loads((folder / "config.json").read_text())
            config["vision_config"]["hidden_act"] = activation
            (folder / "config.json").write_text(json.dumps(config))
        tower = load_tower(str(folder))
        shuffle_weights(tower)
        return tower

    return make


def _open(kind: str, quick: bool = False, **changes: Any) -> Callable[[Path], Tower]:
    def make(folder: Path) -> Tower:
        config = copy.deepcopy(TOWERS[kind])
        config["vision_cfg"] |= changes
        save(folder, config | ({"quick_gelu": True} if quick else {}))
        tower = load_tower(str(folder))
        shuffle_weights(tower)
        shutil.rmtree(folder)
        return tower

    return make


_RICH = {"pre_norm": True, "qk_norm": True, "init_values": 0.5, "reg_tokens": 2}
CASES = {
    "clip": Case(_saved(save_clip), clip_names(), 4, "quick_gelu", 1e-5),
    "clip with gelu": Case(_saved(save_clip, "gelu"), clip_names(), 4, "gelu", 1e-5),
    "chinese_clip": Case(_saved(save_chinese_clip), clip_names(), 4, "quick_gelu", 1e-5),
    "open_clip": Case(_open("own"), OPEN_NAMES, 4, "gelu", 1e-5),
    "open_clip with quick gelu": Case(_open("own", quick=True), OPEN_NAMES, 4, "quick_gelu", 1e-5),
    "open_clip, pooled before the norm": Case(_open("own", final_ln_after_pool=True), OPEN_NAMES, 4, "gelu", 1e-5),
    "open_clip with norms and scales": Case(
        _open("own", block_type="custom", qk_norm=True, ls_init_value=0.5), OPEN_NAMES, 4, "gelu", 1e-5
    ),
    "open_clip with a trunk": Case(
        _open("timm", timm_proj_bias=True), timm_names("trunk.", "head.proj"), 3, "gelu", 1e-6
    ),
    "timm": Case(lambda _: timm_tower(), timm_names(), 3, "gelu", 1e-6),
    "timm with norms and scales": Case(lambda _: timm_tower(**_RICH), timm_names(), 3, "gelu", 1e-6),
    "timm with quick gelu": Case(
        lambda _: timm_tower(act_layer="quick_gelu", pre_norm=True, qkv_bias=False), timm_names(), 3, "quick_gelu", 1e-6
    ),
    "siglip": Case(_saved(save_siglip), SIGLIP_NAMES, 4, "gelu_pytorch_tanh", 1e-6, ("head.", _SIGLIP_HEAD)),
    "timm with a pooling head": Case(
        lambda _: timm_tower(class_token=False, global_pool="map"),
        timm_names(),
        3,
        "gelu",
        1e-6,
        ("attn_pool.", _LATENT),
    ),
    "open_clip with a pooling head": Case(
        _open("patches"), timm_names("trunk."), 3, "gelu", 1e-6, ("trunk.attn_pool.", _LATENT)
    ),
}
