"""Weights of timm's models: from the hub's cache or a file, every one used, or refused in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models import timm_weights
from alignbench.models.families import load_tower, needs_download
from alignbench.models.timm_names import resolve
from hub_cache import write_hub_cache
from taps import picture, tapped

State = dict[str, Tensor]


def built(architecture: str, **options: Any) -> Any:
    torch.manual_seed(5)
    return timm.create_model(architecture, pretrained=False, **options).eval()


@pytest.fixture(scope="module")
def weights() -> State:
    """Those of a small model, with its classifier."""
    return dict(built("test_vit").state_dict())


@pytest.fixture
def saved(tmp_path: Path, weights: State) -> Callable[..., str]:
    """The name of a model whose file has these weights after a change."""

    def save(change: Callable[[State], Any] = dict, ending: str = ".pth") -> str:
        path = tmp_path / f"mine{ending}"
        given = change(weights)
        save_file(given, path) if ending == ".safetensors" else torch.save(given, path)
        return f"timm:test_vit/{path}"

    return save


@pytest.mark.parametrize("name", ["test_vit3", "test_resnet", "test_efficientnet"])
def test_a_files_weights_are_the_models_and_its_classifier_is_left_over(name: str, tmp_path: Path) -> None:
    check_file(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["levit_128s", "deit_tiny_distilled_patch16_224", "caformer_s18", "swin_tiny_patch4_window7_224", "vgg11"]
)
def test_files_of_larger_ones(name: str, tmp_path: Path) -> None:
    check_file(name, tmp_path)


def check_file(name: str, tmp_path: Path) -> None:
    model = built(name)
    save_file({key: each.contiguous() for key, each in model.state_dict().items()}, tmp_path / "mine.safetensors")
    tower = load_tower(f"timm:{name}/{tmp_path}/mine.safetensors")
    pixels = tower.prepare(picture(300, 260))[None]
    with torch.inference_mode():
        features = model.forward_features(tower.normalise(pixels))
        assert torch.equal(tapped(tower, pixels)["projection"][:, 0], model.forward_head(features, pre_logits=True))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub, empty yet."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_published_weights_are_read_from_the_hubs_cache(hub: Path, tmp_path: Path, weights: State) -> None:
    name = "timm:test_vit.r160_in1k"
    assert needs_download(name)
    with pytest.raises(ModelError, match=rf"^{name} is not in the local cache and cannot be downloaded"):
        load_tower(name)
    (tmp_path / "repository").mkdir()
    save_file(weights, tmp_path / "repository" / "model.safetensors")
    write_hub_cache(hub, "timm/test_vit.r160_in1k", tmp_path / "repository")
    assert not needs_download(name)
    tower = load_tower(name)
    assert torch.equal(tower.model.state_dict()["blocks.0.attn.qkv.weight"], weights["blocks.0.attn.qkv.weight"])
    assert tower.fingerprint == load_tower(f"timm:test_vit/{tmp_path}/repository/model.safetensors").fingerprint


def test_a_model_without_published_weights_is_refused() -> None:
    assert resolve("timm:vit_tiny_patch16_384").settings().get("hf_hub_id")
    with pytest.raises(ModelError, match=r"^timm has no weights of test_vit4_none: name a tag"):
        timm_weights._file(resolve("timm:test_vit").__class__("timm:test_vit4_none", "test_vit4_none"), {})


def test_half_precision_is_taken_as_it_is(saved: Callable[..., str], weights: State) -> None:
    tower = load_tower(saved(lambda state: {key: each.half() for key, each in state.items()}))
    assert torch.equal(tower.model.state_dict()["norm.weight"], weights["norm.weight"].half().float())
    assert {each.dtype for each in tower.parameters()} == {torch.float32}


def test_kinds_of_files_give_the_same_tower(saved: Callable[..., str]) -> None:
    safe = load_tower(saved(ending=".safetensors"))
    assert safe.fingerprint == load_tower(saved()).fingerprint
    with pytest.warns(AlignbenchWarning, match="are taken without module"):
        wrapped = load_tower(
            saved(lambda state: {"state_dict": {f"module.{key}": each for key, each in state.items()}})
        )
    assert wrapped.fingerprint == safe.fingerprint


def test_a_file_may_tell_other_classes_apart(saved: Callable[..., str], weights: State) -> None:
    ten = {"head.weight": torch.zeros(10, 64), "head.bias": torch.zeros(10)}
    assert load_tower(saved(lambda state: {**state, **ten})).fingerprint == load_tower(saved()).fingerprint


@pytest.mark.slow
def test_weights_named_by_others_are_turned_into_timms(tmp_path: Path) -> None:
    model = built("convnext_atto")
    old = {}
    for key, tensor in model.state_dict().items():
        stage = key.replace("stem.", "downsample_layers.0.").replace("head.norm.", "norm.").replace("head.fc.", "head.")
        for k in range(1, 4):
            stage = stage.replace(f"stages.{k}.downsample.", f"downsample_layers.{k}.")
        stage = stage.replace(".blocks.", ".").replace("conv_dw", "dwconv").replace("mlp.fc1", "pwconv1")
        old[stage.replace("mlp.fc2", "pwconv2")] = tensor
    assert "stages.2.5.dwconv.weight" in old
    torch.save({"model": old}, tmp_path / "old.pth")
    tower = load_tower(f"timm:convnext_atto/{tmp_path}/old.pth")
    ours = tower.model.state_dict()
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in ours.items())


@pytest.mark.slow
def test_weights_of_another_input_size_are_refused(tmp_path: Path) -> None:
    torch.save(built("vit_tiny_patch16_224").state_dict(), tmp_path / "mine.pth")
    with pytest.raises(ModelError, match=r"are those of another input size \(pos_embed\): name the architecture"):
        load_tower(f"timm:vit_tiny_patch16_384/{tmp_path}/mine.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {**state, "conv9.weight": torch.zeros(3)}, r"has 1 weights .* no place for \(conv9\.weight\)"),
        (lambda state: {k: v for k, v in state.items() if k != "norm.weight"}, r"lacks 1 weights .*\(norm\.weight"),
        (lambda state: {**state, "norm.weight": torch.zeros(65)}, r"in another shape \(norm\.weight\)"),
        (lambda state: {f"layer1.{k}": torch.zeros(2) for k in "ab"}, r"layer1\.a"),
        (lambda state: {**state, "norm.bias": torch.zeros(64, dtype=torch.int8)}, r"norm\.bias is int8"),
        (lambda state: {}, r"there is no tensor in the file"),
        (lambda state: [1, 2], r"cannot be loaded: a list, not a dictionary of tensors"),
        (lambda state: {"state_dict": state, "x": print}, r"pickle"),
        (lambda state: {"state_dict": state, "state_dict_ema": state}, r"are not all said to be the model's own"),
    ],
)
def test_other_weights_are_refused(saved: Callable[..., str], change: Callable[[State], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_tower(saved(change))
