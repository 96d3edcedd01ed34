"""Configurations of vision models without a text tower: no value that changes numbers is passed over or believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from transformers import PretrainedConfig

from alignbench.errors import ModelError
from alignbench.models.families import load_tower, preparation, skeleton
from alignbench.models.transformers_config import read_config
from alignbench.models.transformers_settings import BACKBONE_SETTINGS
from backbones import KINDS, SQUASHED

# What changes no feature: of heads, decoders and training, and in which form outputs are handed out.
HARMLESS = {
    *("encoder_stride", "pooler_output_size", "pooler_act", "vocab_size"),
    *("decoder_num_attention_heads", "decoder_hidden_size", "decoder_num_hidden_layers", "decoder_intermediate_size"),
    *("mask_ratio", "norm_pix_loss", "pos_embed_shift", "pos_embed_jitter", "pos_embed_rescale"),
    *("pool_scales", "use_auxiliary_head", "auxiliary_loss_weight", "auxiliary_channels", "auxiliary_num_convs"),
    *("auxiliary_concat_input", "semantic_loss_ignore_index", "add_fpn", "reshape_hidden_states", "apply_layernorm"),
    *("_out_features", "_out_indices", "out_features", "out_indices", "stage_names"),
}
TYPES = {getattr(transformers, f"{kind.classes}Config").model_type: kind.classes for kind in KINDS.values()}


def config_class(kind: str) -> Any:
    return getattr(transformers, f"{TYPES[kind]}Config")


def write(folder: Path, kind: str, **values: Any) -> Path:
    own = next(made.values for made in KINDS.values() if made.classes == TYPES[kind])
    (folder / "config.json").write_text(json.dumps({"model_type": kind} | own | values))
    (folder / "preprocessor_config.json").write_text(json.dumps(SQUASHED))
    return folder


@pytest.mark.parametrize("kind", BACKBONE_SETTINGS)
def test_every_value_that_transformers_knows_is_taken_or_harmless(kind: str) -> None:
    everywhere = vars(PretrainedConfig()).keys()
    assert vars(config_class(kind)()).keys() - everywhere - HARMLESS <= BACKBONE_SETTINGS[kind].keys()


@pytest.mark.parametrize("kind", BACKBONE_SETTINGS)
def test_values_are_those_of_the_file(tmp_path: Path, kind: str) -> None:
    given = {key: value for key, value in config_class(kind)().to_dict().items() if key in BACKBONE_SETTINGS[kind]}
    changed = {
        key: not value if isinstance(value, bool) else value / 2
        for key, value in given.items()
        if isinstance(value, bool | float)
    }
    config = read_config("m", write(tmp_path, kind, **changed))
    assert {key: getattr(config, key) for key in changed} == changed


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        *(("vit", key, value) for key, value in (("patch_size", [8, 8]), ("qkv_bias", "false"), ("num_channels", 1))),
        ("vit", "num_hidden_layers", 10**6),
        ("vit_mae", "layer_norm_eps", "1e-12"),
        ("beit", "use_mean_pooling", "no"),
        ("beit", "layer_scale_init_value", [1]),
        ("dinov2", "mlp_ratio", 0),
        ("dinov2", "use_swiglu_ffn", 1),
        ("dinov2_with_registers", "num_register_tokens", -1),
        ("dinov2_with_registers", "num_register_tokens", 4.0),
        ("dinov3_vit", "rope_theta", 0),
        ("dinov3_vit", "key_bias", "yes"),
        ("dinov3_vit", "pruned_heads", {"0": [1]}),
        ("convnext", "depths", [1, 2, 1]),
        ("convnext", "hidden_sizes", [8, 8, 16, 10**9]),
        ("convnextv2", "hidden_act", "nothing"),
        ("resnet", "layer_type", "wide"),
        ("resnet", "depths", 4),
        ("resnet", "downsample_in_bottleneck", "true"),
    ],
)
def test_values_of_another_kind_are_named(tmp_path: Path, kind: str, key: str, value: Any) -> None:
    folder = str(write(tmp_path, kind, **{key: value}))
    for attempt in (load_tower, preparation, skeleton):
        with pytest.raises(ModelError, match=rf"config\.json of \S+ cannot be followed \(its {key} is") as refused:
            attempt(folder)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("vit", {"hidden_size": 15}),
        ("dinov3_vit", {"hidden_size": 12}),  # its rotary positions want channels by fours
        ("vit", {"patch_size": 64}),
        ("dinov3_vit", {"num_attention_heads": 3}),
        ("beit", {"hidden_size": 18, "num_attention_heads": 4}),
    ],
)
def test_values_that_make_no_model_are_refused_in_one_line(tmp_path: Path, kind: str, values: dict[str, int]) -> None:
    folder = str(write(tmp_path, kind, **values))
    for attempt in (lambda: load_tower(folder, random_init=True), lambda: skeleton(folder)):
        with pytest.raises(ModelError) as refused:
            attempt()
        assert "\n" not in str(refused.value)
