"""Towers of torchvision's classifiers: weights of files are used to the last one, or refused in a line."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models import torchvision_towers
from alignbench.models.families import load_tower, skeleton
from alignbench.models.torch_cache import cached_path
from alignbench.models.torchvision_names import resolve
from taps import picture, tapped
from torchvision_nets import SMALL, built

pytestmark = pytest.mark.slow

SHUFFLE = "torchvision:shufflenet_v2_x0_5"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights() -> State:
    """Those of a small classifier."""
    return dict(built("shufflenet_v2_x0_5", 5).state_dict())


@pytest.fixture
def saved(tmp_path: Path, weights: State) -> Callable[..., str]:
    """The name of a model whose file has these weights after a change."""

    def save(change: Callable[[State], Any] = dict, ending: str = ".pth") -> str:
        path = tmp_path / f"mine{ending}"
        given = change(weights)
        save_file(given, path) if ending == ".safetensors" else torch.save(given, path)
        return f"{SHUFFLE}/{path}"

    return save


def check_file(name: str, path: Path) -> None:
    """Hold a tower with a file's weights against torchvision's model with these."""
    model = built(name, 7)
    torch.save(model.state_dict(), path)
    tower = load_tower(f"torchvision:{name}/{path}")
    assert not any(tensor.is_meta for tensor in (*tower.parameters(), *tower.buffers()))
    image = picture(300, 260)
    with torch.inference_mode():
        logits = model(resolve(f"torchvision:{name}").preset()(image)[None])
        assert torch.equal(tower(tower.prepare(image)[None]), logits)


@pytest.mark.parametrize("name", SMALL)
def test_a_files_weights_are_the_models(name: str, tmp_path: Path) -> None:
    check_file(name, tmp_path / "mine.pth")


@pytest.mark.parametrize("name", ["densenet121", "googlenet", "inception_v3", "maxvit_t", "swin_v2_t", "vit_b_32"])
def test_files_of_larger_ones(name: str, tmp_path: Path) -> None:
    check_file(name, tmp_path / "mine.pth")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_kinds_of_files_give_the_same_tower(saved: Callable[..., str], ending: str) -> None:
    tower = load_tower(saved(ending=ending))
    assert tower.fingerprint == load_tower(saved()).fingerprint
    assert tower.fingerprint != load_tower(SHUFFLE, random_init=True, seed=5).fingerprint
    assert saved().endswith("mine.pth")


def test_random_weights_are_torchvisions_own_and_leave_the_generator_alone(weights: State) -> None:
    torch.manual_seed(11)
    before = torch.rand(1)
    torch.manual_seed(11)
    tower = load_tower(SHUFFLE, random_init=True, seed=5)
    skeleton(SHUFFLE)
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(tower.model.state_dict()[key], tensor) for key, tensor in weights.items())
    other = load_tower(SHUFFLE, random_init=True, seed=6)
    assert tower.fingerprint != other.fingerprint


def test_published_weights_are_read_from_torchs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: State
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    place = cached_path(resolve(SHUFFLE).weights.url)
    place.parent.mkdir()
    torch.save(weights, place)
    tower = load_tower(SHUFFLE)
    assert torch.equal(tower.model.state_dict()["fc.weight"], weights["fc.weight"])


def test_without_a_network_the_file_its_place_and_its_address_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    url = resolve(SHUFFLE).weights.url
    with pytest.raises(
        ModelError,
        match=rf"^{SHUFFLE} needs .*\.pth, and .* \(no network\): get it from {url} and put it at {tmp_path}",
    ):
        load_tower(SHUFFLE)


def test_a_file_may_tell_other_classes_apart(saved: Callable[..., str], weights: State) -> None:
    def ten(state: State) -> State:
        return {**state, "fc.weight": state["fc.weight"][:10].clone(), "fc.bias": state["fc.bias"][:10].clone()}

    tower = load_tower(saved(ten))
    assert tower.model.fc.out_features == 10
    assert tapped(tower, tower.prepare(picture(240, 260))[None])["projection"].shape == (1, 1, 1024)


def test_words_of_wrappers_are_left_out_with_a_warning(saved: Callable[..., str]) -> None:
    with pytest.warns(AlignbenchWarning, match="are taken without module"):
        tower = load_tower(saved(lambda state: {"state_dict": {f"module.{key}": each for key, each in state.items()}}))
    assert tower.fingerprint == load_tower(saved()).fingerprint


def test_files_without_counters_of_batches_are_whole(saved: Callable[..., str]) -> None:
    tower = load_tower(saved(lambda state: {key: each for key, each in state.items() if "num_batches" not in key}))
    assert not any(tensor.is_meta for tensor in tower.state_dict().values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {**state, "conv9.weight": torch.zeros(3)}, r"has 1 weights .* no place for \(conv9\.weight\)"),
        (
            lambda state: {k: v for k, v in state.items() if k != "conv1.0.weight"},
            r"lacks 1 weights .*\(conv1\.0\.weigh",
        ),
        (lambda state: {**state, "conv1.0.weight": torch.zeros(24, 3, 5, 5)}, r"in another shape \(conv1\.0\.weight\)"),
        (
            lambda state: {f"layer1.{k}": torch.zeros(2) for k in "ab"},
            r"are not those of shufflenet_v2_x0_5: their nam",
        ),
        (lambda state: {**state, "fc.bias": torch.zeros(1000, dtype=torch.int8)}, r"fc\.bias is int8"),
        (lambda state: {}, r"there is no tensor in the file"),
        (lambda state: [1, 2], r"cannot be loaded: a list, not a dictionary of tensors"),
        (lambda state: {"state_dict": state, "x": print}, r"pickle"),
    ],
)
def test_other_weights_are_refused(saved: Callable[..., str], change: Callable[[State], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_tower(saved(change))


def test_old_names_of_published_files_are_read(tmp_path: Path) -> None:
    for old, now in {
        "features.denseblock1.denselayer2.norm.1.running_mean": "features.denseblock1.denselayer2.norm1.running_mean",
        "features.denseblock4.denselayer16.conv.2.weight": "features.denseblock4.denselayer16.conv2.weight",
        "encoder.layers.encoder_layer_11.mlp.linear_1.weight": "encoder.layers.encoder_layer_11.mlp.0.weight",
        "encoder.layers.encoder_layer_0.mlp.linear_2.bias": "encoder.layers.encoder_layer_0.mlp.3.bias",
        "features.norm0.weight": "features.norm0.weight",
    }.items():
        torch.save({old: torch.ones(2)}, tmp_path / "old.pth")
        assert list(torchvision_towers._read("net", tmp_path / "old.pth")) == [now]


def test_the_skeleton_has_the_layers_of_the_tower_and_no_numbers() -> None:
    empty, tower = skeleton(SHUFFLE), load_tower(SHUFFLE, random_init=True)
    assert empty.layers == tower.layers
    assert empty.blocks == tower.blocks
    assert all(tensor.is_meta for tensor in (*empty.parameters(), *empty.buffers()))
    assert not any(tensor.is_meta for tensor in (*tower.parameters(), *tower.buffers()))


def test_the_preparation_is_in_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_tower("torchvision:mobilenet_v2/IMAGENET1K_V1", random_init=True)
    second = load_tower("torchvision:mobilenet_v2/IMAGENET1K_V2", random_init=True)
    assert first.fingerprint != second.fingerprint, "pictures are resized to another side first"


def test_weights_in_a_dictionary_in_order_are_read(saved: Callable[..., str]) -> None:
    assert load_tower(saved(OrderedDict)).fingerprint == load_tower(saved()).fingerprint
