"""open_clip_config.json: each value that is read of it is of its kind, before anything is built of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from alignbench.errors import ModelError, one_line
from alignbench.files.json_text import read_json
from alignbench.models.openclip_files import CONFIG
from alignbench.models.quantisation import refuse_quantised_settings
from alignbench.models.settings import (
    BLOCKS,
    INNER_WIDTH,
    NULL,
    OBJECT,
    SIDE,
    TEXT,
    TRUTH,
    WIDTH,
    Allowed,
    check_settings,
    either,
    listed,
    number,
    one_of,
    positive,
    whole,
)

_SIDES: Final = either(SIDE, listed(SIDE, 2))
_COLOURS: Final = either(listed(number(1000, -1000), 3), positive(1000), NULL)  # open_clip takes 0 for nothing said
_SPREADS: Final = either(listed(positive(1000), 3), positive(1000), NULL)
_SWITCHES: Final = (
    *("no_ln_pre", "final_ln_after_pool", "output_tokens", "qk_norm", "scaled_cosine_attn"),
    *("scale_heads", "scale_attn_inner", "scale_attn", "scale_fc", "timm_model_pretrained", "timm_proj_bias"),
)
_MODEL: Final = {
    "embed_dim": WIDTH,
    "quick_gelu": TRUTH,
    "vision_cfg": OBJECT,
    "text_cfg": either(OBJECT, NULL),
}
_VISION: Final = {
    **dict.fromkeys(_SWITCHES, TRUTH),
    "attentional_pool": either(TRUTH, one_of("parallel", "cascade")),
    "layers": either(BLOCKS, listed(BLOCKS, 4)),  # four for a ResNet
    "width": WIDTH,
    "head_width": WIDTH,
    "mlp_ratio": positive(64),
    "patch_size": either(_SIDES, NULL),  # a ResNet has none
    "image_size": _SIDES,
    "ls_init_value": either(number(1000), NULL),
    "patch_dropout": number(1),
    "attn_pooler_queries": INNER_WIDTH,
    "attn_pooler_heads": WIDTH,
    "act_kwargs": either(OBJECT, NULL),
    "norm_kwargs": either(OBJECT, NULL),
    "pos_embed_type": one_of("learnable", "sin_cos_2d"),
    "pool_type": one_of("tok", "avg", "none"),
    "block_type": either(one_of("default", "custom"), NULL),  # of others open_clip makes the default
    "timm_model_name": either(
        Allowed("a name of timm's own", lambda value: isinstance(value, str) and ":" not in value), NULL
    ),  # with a colon it would be one elsewhere, whose configuration timm downloads
    "timm_pool": TEXT,
    "timm_proj": either(TEXT, NULL),
    "timm_drop": number(1),
    "timm_drop_path": either(number(1), NULL),
}
_PREPROCESS: Final = {
    "mean": _COLOURS,
    "std": _SPREADS,
    "mode": either(one_of("RGB"), NULL),
    "interpolation": either(one_of("bicubic", "bilinear", "random"), NULL),
    "resize_mode": either(one_of("shortest", "longest", "squash"), NULL),
    "fill_color": either(whole(255, 0), listed(whole(255, 0), 3), NULL),
}


def read_config(name: str, path: Path) -> dict[str, Any]:
    """Read a configuration.

    Args:
        name: The model's name, for messages.
        path: The file.

    Returns:
        What it holds, `model_cfg` and perhaps `preprocess_cfg`.

    Raises:
        ModelError: If there is none, or it cannot be followed.
    """
    if not path.exists():
        raise ModelError(f"{name} has no {CONFIG}: give a directory or repository of open_clip")
    try:
        config: Any = read_json(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or one_line(error)
        raise ModelError(f"{CONFIG} of {name} cannot be followed ({why}): download it again") from error
    what = f"{CONFIG} of {name}"
    check_settings(what, {"content": config}, {"content": OBJECT})
    check_settings(what, {"model_cfg": None} | config, {"model_cfg": OBJECT, "preprocess_cfg": either(OBJECT, NULL)})
    refuse_quantised_settings(name, config, where=CONFIG)
    model = {"embed_dim": None, "vision_cfg": None} | config["model_cfg"]
    check_settings(f"model_cfg in {what}", model, _MODEL)
    check_settings(f"vision_cfg in {what}", model["vision_cfg"], _VISION)
    check_settings(f"norm_kwargs in {what}", model["vision_cfg"].get("norm_kwargs") or {}, {"eps": positive(1)})
    check_settings(f"text_cfg in {what}", model.get("text_cfg") or {}, {"hf_model_name": either(TEXT, NULL)})
    check_settings(f"preprocess_cfg in {what}", config.get("preprocess_cfg") or {}, _PREPROCESS)
    return dict(config)
