"""A tower that was changed and saved is loaded again with the same features at every layer, bit by bit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
import transformers
from PIL import Image
from torch import Tensor
from torchvision import models

from alignbench.errors import UsageError
from alignbench.models.families import load_tower
from alignbench.models.saving import saved_form
from alignbench.models.towers import Tower, tap
from backbones import KINDS, save_backbone
from openclip_towers import TOWERS, save
from reference import save_chinese_clip, save_clip, save_siglip

_PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def _changed(name: str, random_init: bool) -> Tower:
    """A tower after something like training: every weight has moved, statistics of batch norms too."""
    tower = load_tower(name, random_init=random_init, protocol="corrected")
    drawn = torch.Generator().manual_seed(1)
    normaliser = {id(tensor) for tensor in tower.get_submodule("normalise").state_dict(keep_vars=True).values()}
    with torch.no_grad():
        for tensor in tower.state_dict(keep_vars=True).values():
            if tensor.is_floating_point() and id(tensor) not in normaliser:
                tensor *= 1 + 0.1 * torch.rand(tensor.shape, generator=drawn)
    return tower


def _in_own_memory(tower: Tower) -> Tower:
    """The same tower: transformers leaves weights where a file has them, on which the last bit of a product depends."""
    return copy.deepcopy(tower)


def _features(tower: Tower) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    layers = {layer.name: layer for layer in (*tower.layers, *tower.blocks)}
    with (
        torch.no_grad(),
        tap(tower, list(layers.values()), lambda layer, features: found.update({layer.name: features.clone()})),
    ):
        tower(tower.prepare(_PICTURE)[None])
    return found


_FOLDERS: dict[str, Callable[[Path], object]] = {
    "clip": save_clip,
    "siglip": save_siglip,
    **{f"open_clip {kind}": lambda folder, kind=kind: save(folder, TOWERS[kind]) for kind in TOWERS},
}
_NAMES = ("shapes-clip", "timm:resnet18.a1_in1k", "torchvision:mobilenet_v3_small")  # a ViT and two CNNs


_RARE = tuple(f"open_clip {kind}" for kind in ("quick", "pooled", "timm", "patches", "mobileclip", "swin", "registers"))
_QUICK = ("vit", "dinov2_with_registers", "convnext")


def _check(name: str, saved: Path, random_init: bool) -> None:
    tower = _in_own_memory(_changed(name, random_init))
    wanted = _features(tower)
    saved.mkdir()
    saved_form(tower, name).write(saved)
    back = load_tower(str(saved), protocol="corrected")
    assert [(each.name, each.depth) for each in back.layers] == [(each.name, each.depth) for each in tower.layers]
    assert torch.equal(back.prepare(_PICTURE), tower.prepare(_PICTURE))
    named = back.state_dict()
    for key, tensor in tower.state_dict().items():
        assert torch.equal(named[key], tensor), key
    found, exact = _features(back), _features(_in_own_memory(back))
    assert found.keys() == wanted.keys()
    for layer, features in wanted.items():
        assert torch.equal(exact[layer], features), layer
        torch.testing.assert_close(found[layer], features)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if kind in _RARE else ()) for kind in _FOLDERS]
)
def test_a_checkpoint_comes_back(tmp_path: Path, kind: str) -> None:
    _FOLDERS[kind](tmp_path / "model")
    _check(str(tmp_path / "model"), tmp_path / "saved", random_init=False)


@pytest.mark.parametrize("name", _NAMES)
def test_a_model_by_name_comes_back(tmp_path: Path, name: str) -> None:
    _check(name, tmp_path / "saved", random_init=True)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in _QUICK else pytest.mark.slow) for kind in KINDS]
)
def test_a_vision_model_of_transformers_comes_back(tmp_path: Path, kind: str) -> None:
    save_backbone(tmp_path / "model", kind)
    _check(str(tmp_path / "model"), tmp_path / "saved", random_init=False)


@pytest.mark.slow
def test_the_libraries_load_what_is_saved(tmp_path: Path) -> None:
    """Not only this package: each library's own loader takes the weights."""
    save_clip(tmp_path / "clip")
    for name in (str(tmp_path / "clip"), *_NAMES[1:]):
        place = tmp_path / name.replace("/", "-").replace(":", "-")
        place.mkdir()
        tower = _changed(name, random_init=True)
        saved_form(tower, name).write(place)
        if "timm" in name:
            model = timm.create_model("resnet18", checkpoint_path=str(place / "model.safetensors"), num_classes=0)
            trained = tower.get_submodule("model")
        elif "torchvision" in name:
            from safetensors.torch import load_file

            model = models.mobilenet_v3_small()
            model.load_state_dict(load_file(place / "model.safetensors"))
            trained = tower.get_submodule("model")
        else:
            model = transformers.CLIPVisionModelWithProjection.from_pretrained(place)
            trained = tower.get_submodule("model")
        for key, tensor in trained.state_dict().items():
            assert torch.equal(model.state_dict()[key], tensor), key


def test_open_clip_reads_its_configuration(tmp_path: Path) -> None:
    save(tmp_path / "model", TOWERS["quick"])
    tower = _changed(str(tmp_path / "model"), random_init=False)
    (tmp_path / "saved").mkdir()
    saved_form(tower, str(tmp_path / "model")).write(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "open_clip_config.json").read_text())
    assert config["model_cfg"] == {**TOWERS["quick"], "quick_gelu": True}
    clip = open_clip.CLIP(**config["model_cfg"])
    lacking, surplus = clip.load_state_dict(
        {f"visual.{key}": value for key, value in tower.get_submodule("model").state_dict().items()}, strict=False
    )
    assert not surplus
    assert not [key for key in lacking if key.startswith("visual.")]


def test_what_could_not_be_loaded_again_is_refused(tmp_path: Path) -> None:
    save_chinese_clip(tmp_path / "chinese")
    for name, said in {
        str(tmp_path / "chinese"): "a part of a model that has no class of its own",
        "torchvision:mobilenet_v3_large/IMAGENET1K_V1": "prepared in another way than its default ones",
    }.items():
        tower = load_tower(name, random_init=True, protocol="corrected")
        with pytest.raises(UsageError, match=said):
            saved_form(tower, name)
