"""Classifiers of torchvision as torchvision builds and taps them: what towers of them are held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

POOLED = {  # by architecture, the node of torchvision's graph that gives what the classifier is given
    "alexnet": "classifier.4",
    "vgg11_bn": "classifier.3",
    "resnet18": "flatten",
    "convnext_tiny": "avgpool",
    "densenet121": "flatten",
    "efficientnet_b0": "flatten",
    "efficientnet_v2_s": "flatten",
    "googlenet": "flatten",
    "inception_v3": "flatten",
    "maxvit_t": "classifier.1",
    "mnasnet0_5": "mean",
    "mobilenet_v2": "flatten",
    "mobilenet_v3_small": "flatten",
    "regnet_y_400mf": "flatten",
    "shufflenet_v2_x0_5": "mean",
    "squeezenet1_1": "",
    "swin_t": "flatten",
    "swin_v2_t": "flatten",
    "vit_b_32": "getitem_5",
}
SMALL = ("resnet18", "mnasnet0_5", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1")


def built(architecture: str, seed: int) -> Any:
    """A classifier with random weights that writes nothing in place, as its own transform wants it to be used."""
    torch.manual_seed(seed)
    inception = {"init_weights": True, "transform_input": True} if architecture in ("googlenet", "inception_v3") else {}
    model = models.get_model(architecture, weights=None, **inception).eval()
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return model


def nodes(model: nn.Module, paths: Sequence[str], pixels: Tensor) -> dict[str, Tensor]:
    """What torchvision's own extractor gives at nodes of a classifier's graph."""
    extractor = create_feature_extractor(model, list(paths), suppress_diff_warning=True).eval()
    with torch.inference_mode():
        found: dict[str, Tensor] = extractor(pixels)
    return found


def as_tokens(output: Tensor, channels: int) -> Tensor:
    """An output as (B, tokens, channels), whichever axis has the channels."""
    if output.ndim == 2:
        return output[:, None]
    if output.ndim == 3:
        return output
    if output.shape[1] == channels:
        output = output.permute(0, 2, 3, 1)
    return output.reshape(len(output), -1, channels)
