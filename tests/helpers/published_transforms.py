"""Random transforms in the place of the published ones, and what their models give by the libraries alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision import models, transforms
from torchvision.models.feature_extraction import create_feature_extractor

from alignbench.models.cards import cards
from alignbench.models.towers import Tower
from alignbench.transforms import PUBLISHED

Arrays = dict[str, NDArray[Any]]
Own = tuple[Callable[[Image.Image], Tensor], Callable[[Tensor], Tensor]]  # of pictures, and of batches of them

COLOURS = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
THINGSVISION = transforms.Compose(  # written out from what it does where it knows no preparation of a model
    [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), COLOURS]
)


def make_shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the transformers of this file two blocks of theirs, at full width: here, and for the libraries."""
    for name, card in cards().items():
        if "num_hidden_layers" in card.vision:
            monkeypatch.setitem(cards(), name, replace(card, vision=card.vision | {"num_hidden_layers": 2}))
    large = open_clip.get_model_config("ViT-L-14")
    assert large is not None
    shallow = large | {"vision_cfg": large["vision_cfg"] | {"layers": 2}, "text_cfg": large["text_cfg"] | {"layers": 1}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-L-14", shallow)
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: create(name, **options | {"depth": 2}))


def plant(cache: Path, name: str, seed: int = 0) -> Arrays:
    """Put a random transform into the cache under a published name, and return its arrays."""
    known, rng = PUBLISHED[name], np.random.default_rng(seed)
    weights = rng.standard_normal((known.width, known.width), dtype=np.float32) / np.float32(known.width**0.5)
    arrays: Arrays = {"weights": weights, "mean": np.float64(0.1), "std": np.float64(0.8)}
    arrays["bias"] = rng.standard_normal(known.width, dtype=np.float32)
    place = cache / "transforms" / name / known.module / "transform.npz"
    place.parent.mkdir(parents=True, exist_ok=True)
    np.savez(place, **arrays)
    return arrays


def applied(features: NDArray[Any], by: Arrays) -> NDArray[np.float64]:
    """The formula, in float64."""
    numbers = {name: array.astype(np.float64) for name, array in by.items()}
    return (features.astype(np.float64) - numbers["mean"]) / numbers["std"] @ numbers["weights"] + numbers["bias"]


def own_features(tower: Tower, model: str, module: str, images: Sequence[Path]) -> NDArray[np.float64]:
    """What a model's own library gives at the published module, (pictures, channels), with a tower's weights."""
    family, _, architecture = model.partition(":") if ":" in model else ("", "", model)
    prepare, embed = {"torchvision": _torchvision, "timm": _timm, "open_clip": _open_clip, "": _transformers}[family](
        tower, architecture, module
    )
    opened = [Image.open(path).convert("RGB") for path in images]
    with torch.inference_mode():
        return embed(torch.stack([prepare(image) for image in opened])).double().numpy()


def _torchvision(tower: Tower, architecture: str, module: str) -> Own:
    model = models.get_model(architecture, weights=None).eval()
    for each in model.modules():
        if hasattr(each, "inplace"):
            each.inplace = False
    _same_weights(model, tower.get_submodule("model"))
    extractor = create_feature_extractor(model, [module], suppress_diff_warning=True).eval()
    prepare = models.get_model_weights(architecture).DEFAULT.transforms()
    return prepare, lambda pixels: extractor(pixels)[module].flatten(1)


def _timm(tower: Tower, architecture: str, module: str) -> Own:
    assert module == "norm"
    model = timm.create_model(architecture, pretrained=False, num_classes=0).eval()
    _same_weights(model, tower.get_submodule("model"))
    return THINGSVISION, lambda pixels: model.forward_features(pixels)[:, 0]  # after the norm; the class token is first


def _transformers(tower: Tower, name: str, module: str) -> Own:
    if module == "visual":
        inner = tower.get_submodule("model")
        clip = transformers.CLIPVisionModelWithProjection(inner.config).eval()
        _same_weights(clip, inner)
        processor = transformers.CLIPImageProcessorPil()
        return lambda image: torch.tensor(processor(image)["pixel_values"][0]), lambda x: clip(x).image_embeds
    inner = tower.get_submodule("model.backbone")
    model = type(inner)(inner.config, **({"add_pooling_layer": False} if "dino-vit" in name else {})).eval()
    _same_weights(model, inner)
    return THINGSVISION, lambda pixels: model(pixels).last_hidden_state[:, 0]


def _open_clip(tower: Tower, architecture: str, module: str) -> Own:
    name, tag = architecture.split("/")
    told = open_clip.get_pretrained_cfg(name, tag)
    model = open_clip.create_model(name, pretrained=None, force_quick_gelu=told.get("quick_gelu", False)).eval().visual
    _same_weights(model, tower.get_submodule("model"))
    return open_clip.image_transform(224, is_train=False, mean=told.get("mean"), std=told.get("std")), model


def _same_weights(model: nn.Module, tower: nn.Module) -> None:
    lacking, surplus = model.load_state_dict(tower.state_dict(), strict=False)
    assert not surplus, surplus
    assert all(name.startswith("fc.") or name.endswith("position_ids") for name in lacking), lacking
