"""Values in configurations of transformers' vision models: what each type takes, and what each value may be."""

from __future__ import annotations

from typing import Final

from transformers.activations import ACT2FN

from alignbench.models.settings import (
    BLOCKS,
    INNER_WIDTH,
    NULL,
    SIDE,
    TRUTH,
    WIDTH,
    Allowed,
    either,
    listed,
    number,
    one_of,
    positive,
    whole,
)

SHARE: Final = either(number(1), NULL)
SPREAD: Final = either(number(1000), NULL)
_ACTIVATION: Final = {
    "hidden_act": Allowed("an activation of transformers", lambda value: isinstance(value, str) and value in ACT2FN)
}
_TOKENS: Final = {
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": WIDTH,
    "layer_norm_eps": positive(1),
    "initializer_range": SPREAD,
    **_ACTIVATION,
}
TRANSFORMER: Final = _TOKENS | {"intermediate_size": INNER_WIDTH, "initializer_factor": SPREAD}
_CHANNELS: Final = {"num_channels": whole(3, 3)}
_PATCHES: Final = {"image_size": SIDE, "patch_size": SIDE, **_CHANNELS}
_DROPPED: Final = dict.fromkeys(
    ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout", "drop_path_rate"), SHARE
)
_INNER: Final = {"intermediate_size": INNER_WIDTH}
_VIT: Final = _TOKENS | _PATCHES | _DROPPED | _INNER | {"qkv_bias": TRUTH}
_BEIT_SWITCHES: Final = (
    "use_mask_token",
    "use_absolute_position_embeddings",
    "use_relative_position_bias",
    "use_shared_relative_position_bias",
    "use_mean_pooling",
)
_SCALE: Final = {"layerscale_value": number(1000, -1000)}
_REGISTERS: Final = {"num_register_tokens": whole(1024, 0)}
_DINOV2: Final = (
    _TOKENS
    | _PATCHES
    | _DROPPED
    | _SCALE
    | {"mlp_ratio": either(whole(64), positive(64)), "qkv_bias": TRUTH, "use_swiglu_ffn": TRUTH}
)
_DINOV3_SWITCHES: Final = ("query_bias", "key_bias", "value_bias", "proj_bias", "mlp_bias", "use_gated_mlp")
_STAGES: Final = _CHANNELS | _ACTIVATION | {"hidden_sizes": listed(WIDTH, 4), "depths": listed(BLOCKS, 4)}
_CONVNEXT: Final = (
    _STAGES
    | _DROPPED
    | {"patch_size": SIDE, "image_size": SIDE, "num_stages": whole(4, 4), "layer_norm_eps": positive(1)}
    | {"initializer_range": SPREAD}
)

BACKBONE_SETTINGS: Final[dict[str, dict[str, Allowed]]] = {
    "vit": _VIT,
    "deit": _VIT,
    "vit_mae": _VIT,
    "beit": _VIT | dict.fromkeys(_BEIT_SWITCHES, TRUTH) | {"layer_scale_init_value": number(1000, -1000)},
    "dinov2": _DINOV2 | {"use_mask_token": TRUTH},
    "dinov2_with_registers": _DINOV2 | _REGISTERS,
    "dinov3_vit": _TOKENS
    | _PATCHES
    | _DROPPED
    | _INNER
    | _SCALE
    | _REGISTERS
    | dict.fromkeys(_DINOV3_SWITCHES, TRUTH)
    | {"rope_theta": positive(1e9)},
    "convnext": _CONVNEXT | {"layer_scale_init_value": number(1000, -1000)},
    "convnextv2": _CONVNEXT,
    "resnet": _STAGES
    | {
        "embedding_size": WIDTH,
        "layer_type": one_of("basic", "bottleneck"),
        "downsample_in_first_stage": TRUTH,
        "downsample_in_bottleneck": TRUTH,
    },
}
"""What is taken of the configuration of each type of vision model without a text tower."""
