"""Models of timm as timm itself taps and pools them: what towers of them are held against."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor

from alignbench.models.towers import Tower

REFUSED = {  # of the smallest model of each of timm's files, why its features cannot be read
    "coat_tiny": "parallel_blocks gives the features of several branches at once",
    "crossvit_tiny_240": "blocks.0 gives the features of several branches at once",
    "gemma4_vit_167m": "blocks.0 is not called as a whole",
    "hrnet_w18_small": "stem is not called as a whole",
    "naflexvit_base_patch16_parfac_gap": "its number of tokens changes with the shape of a picture",
}
CLASSIFIERS = {"head", "heads", "head_dist", "fc", "classifier", "classif", "last_linear", "aux_head"}


def with_classifier(tower: Tower, architecture: str) -> Any:
    """The whole model, with the weights of a tower of it; those of its classifier are at random."""
    model = timm.create_model(architecture, pretrained=False).eval()
    lacking, surplus = model.load_state_dict(tower.get_submodule("model").state_dict(), strict=False)
    assert not surplus
    assert {key.partition(".")[0] for key in lacking} <= CLASSIFIERS, lacking
    return model


def transformed(model: Any, images: Sequence[Image.Image]) -> Tensor:
    """Pictures as timm's own transform for evaluation has them."""
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    return torch.stack([transform(image) for image in images])


def intermediates(model: Any, pixels: Tensor) -> list[Tensor]:
    """What timm's own `forward_intermediates` gives, each as (B, tokens, channels), with the tokens before patches."""
    options = {"intermediates_only": True, "output_fmt": "NCHW"}
    takes_prefix = "return_prefix_tokens" in inspect.signature(model.forward_intermediates).parameters
    if takes_prefix and model.num_prefix_tokens:
        options |= {"return_prefix_tokens": True, "output_fmt": "NLC"}
    with torch.inference_mode():
        found = model.forward_intermediates(pixels, **options)
    return [_tokens(each) for each in found]


def _tokens(each: Any) -> Tensor:
    if isinstance(each, tuple):
        patches, before = each
        return patches if before is None else torch.cat([before, patches], dim=1)
    return each if each.ndim == 3 else each.flatten(2).transpose(1, 2)


def pooled(model: Any, pixels: Tensor) -> Tensor:
    """What timm's own pooling gives, (B, 1, channels)."""
    with torch.inference_mode():
        return model.forward_head(model.forward_features(pixels), pre_logits=True)[:, None]
