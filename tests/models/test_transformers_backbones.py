"""Vision models of transformers without a text tower: their features are transformers' own, bit for bit."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from alignbench.cli.main import main
from alignbench.errors import ModelError
from alignbench.models.families import load_tower, skeleton
from alignbench.models.towers import Tower, select_view
from alignbench.models.transformers_backbones import BACKBONES
from backbones import KINDS, SQUASHED, save_backbone, states_of_transformers
from folders import Folders
from reference import depths
from taps import picture, tapped

Loaded = Callable[[str], Tower]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a small checkpoint, by kind; nobody changes it."""
    root = tmp_path_factory.mktemp("backbones")
    return lambda kind: root / kind if (root / kind).exists() else save_backbone(root / kind, kind)


@pytest.fixture(scope="module")
def loaded(backbone: Folders) -> Loaded:
    """The tower of such a checkpoint; nobody changes it."""
    return cache(lambda kind: load_tower(str(backbone(kind))))


@pytest.fixture
def copied(backbone: Folders, tmp_path: Path) -> Folders:
    """The same for a test that changes it."""
    return lambda kind: Path(shutil.copytree(backbone(kind), tmp_path / kind))


def prepared(tower: Tower) -> Tensor:
    return torch.stack([tower.prepare(picture(40 + seed, 51, seed)) for seed in range(3)])


def check_equal_bits(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for layer, features in expected.items():
        assert found[layer].shape == features.shape, layer
        assert torch.equal(found[layer], features), layer
        assert not torch.equal(features[0], features[1]), "a layer that does not see the picture tells nothing"


def check_same(folder: Path, other: Path) -> None:
    """Hold the features of a checkpoint against those of another; weights at other addresses may cost the last bit."""
    tower, expected = load_tower(str(folder)), load_tower(str(other))
    assert tower.layers == expected.layers
    pixels = prepared(tower)
    found, wanted = tapped(tower, pixels), tapped(expected, pixels)
    for layer, features in wanted.items():
        torch.testing.assert_close(found[layer], features, rtol=1e-5, atol=1e-6)


def change(folder: Path, changed: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
    save_file(changed(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    return folder


def configure(folder: Path, **values: Any) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return folder


# --- Features -------------------------------------------------------------------------------------------------------


def test_every_type_is_tried() -> None:
    types = {getattr(transformers, f"{kind.classes}Config").model_type for kind in KINDS.values()}
    assert types == BACKBONES.keys()


@every_kind
def test_features_are_hidden_states_of_transformers_bit_for_bit(backbone: Folders, loaded: Loaded, kind: str) -> None:
    tower = loaded(kind)
    pixels = prepared(tower)
    check_equal_bits(tapped(tower, pixels), states_of_transformers(backbone(kind), tower.normalise(pixels)))


@every_kind
def test_names_depths_and_tokens(backbone: Folders, loaded: Loaded, kind: str) -> None:
    tower, prefix = loaded(kind), KINDS[kind].prefix
    assert tower.layers == skeleton(str(backbone(kind))).layers
    assert tower.pooling
    if prefix is None:
        assert {layer.name: layer.depth for layer in tower.layers} == pytest.approx(
            {"stem": 2.5, "stage_1": 7.5, "stage_2": 52.5, "stage_3": 75.0, "stage_4": 97.5, "projection": 100.0}
        )  # of five blocks one, three, four and five are done
        assert [layer.tokens for layer in tower.layers] == [64, 64, 16, 4, 1, 1]
        assert [layer.channels for layer in tower.layers] == [8, 8, 8, 16, 24, 24]
        assert [layer.name for layer in tower.blocks] == ["stem", *(f"block_{n}" for n in range(1, 6)), "projection"]
        assert tower.prefix_tokens == 0
        return
    assert {layer.name: layer.depth for layer in tower.layers} == pytest.approx(depths(2))
    assert [layer.tokens for layer in tower.layers] == [16 + prefix] * 3 + [1]
    assert {layer.channels for layer in tower.layers} == {16}
    assert (tower.has_class_token, tower.prefix_tokens) == (True, prefix)


def test_every_block_of_stages_can_be_read(backbone: Folders, loaded: Loaded) -> None:
    tower = load_tower(str(backbone("resnet")))
    tower.layers = tower.blocks
    found = tapped(tower, prepared(tower))
    stages = tapped(loaded("resnet"), prepared(tower))
    for block, stage in (("block_1", "stage_1"), ("block_3", "stage_2"), ("block_5", "stage_4")):
        assert torch.equal(found[block], stages[stage])
    assert not torch.equal(found["block_2"], found["block_3"])


@pytest.mark.parametrize("kind", ["deit", "dinov2_with_registers", "dinov3_vit"])
def test_the_average_is_over_patches_alone(loaded: Loaded, kind: str) -> None:
    tower = loaded(kind)
    layer, features = tower.layers[1], tapped(tower, prepared(tower))["layer_1"]
    mean = select_view(features, layer, "mean", tower.prefix_tokens)
    torch.testing.assert_close(mean[:, 0], features[:, -16:].mean(dim=1))
    assert torch.equal(select_view(features, layer, "cls", tower.prefix_tokens), features[:, :1])


def test_a_masked_autoencoder_sees_all_patches_in_their_order(backbone: Folders, tmp_path: Path) -> None:
    same = Path(shutil.copytree(backbone("vit_mae"), tmp_path / "vit"))
    configure(same, model_type="vit", architectures=["ViTModel"])
    tower, vit = load_tower(str(backbone("vit_mae"))), load_tower(str(same))
    pixels = prepared(tower)
    torch.manual_seed(1)
    found = tapped(tower, pixels)
    check_equal_bits(found, tapped(vit, pixels))
    check_equal_bits(found, tapped(tower, pixels))
    masked = transformers.AutoModel.from_pretrained(backbone("vit_mae"))(tower.normalise(pixels))
    assert masked.last_hidden_state.shape[1] == 5, "of 16 patches transformers leaves 4"


@pytest.mark.parametrize("kind", ["dinov2", "dinov2_with_registers", "dinov3_vit", "beit", "convnext"])
def test_a_model_that_takes_any_size_is_given_what_its_processor_makes(tmp_path: Path, kind: str) -> None:
    folder = save_backbone(tmp_path / kind, kind, image_size=56)
    tower = load_tower(str(folder))
    pixels = prepared(tower)
    assert pixels.shape[-2:] == (32, 32)
    check_equal_bits(tapped(tower, pixels), states_of_transformers(folder, tower.normalise(pixels)))


# --- Weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "ending"), [(kind, head) for kind, made in KINDS.items() for head in made.heads])
def test_a_checkpoint_with_a_head_is_read_without_it(tmp_path: Path, kind: str, ending: str) -> None:
    folder = save_backbone(tmp_path / kind, kind, ending)
    tower = load_tower(str(folder))
    pixels = prepared(tower)
    expected = states_of_transformers(folder, tower.normalise(pixels))
    found = tapped(tower, pixels)
    assert found.keys() == expected.keys()
    for layer, features in expected.items():
        torch.testing.assert_close(found[layer], features, rtol=1e-5, atol=1e-6)


def test_beit_as_it_was_pretrained_has_no_projection(tmp_path: Path) -> None:
    folder = save_backbone(tmp_path / "beit", "beit", "ForMaskedImageModeling")
    tower = load_tower(str(folder))
    assert [layer.name for layer in tower.layers] == ["layer_0", "layer_1", "layer_2"]
    pixels = prepared(tower)
    expected = states_of_transformers(folder, tower.normalise(pixels))
    for layer, features in tapped(tower, pixels).items():
        torch.testing.assert_close(features, expected[layer], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["vit", "beit", "beit-shared", "dinov2-gated", "resnet"])
def test_names_of_transformers_5_are_taken_as_well(backbone: Folders, copied: Folders, kind: str) -> None:
    model = transformers.AutoModel.from_pretrained(backbone(kind))
    folder = copied(kind)
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, folder / "model.safetensors")
    check_same(folder, backbone(kind))


def test_dinov3_is_read_by_the_names_under_which_it_is_saved_alone(backbone: Folders, copied: Folders) -> None:
    model = transformers.AutoModel.from_pretrained(backbone("dinov3_vit"))
    folder = copied("dinov3_vit")
    save_file(model.state_dict(), folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"begin with '' and 'model\.', which are two sets"):
        load_tower(str(folder))


def test_tables_of_indices_of_older_files_may_be_left_over(backbone: Folders, copied: Folders) -> None:
    index = "encoder.layer.0.attention.attention.relative_position_bias.relative_position_index"
    folder = change(copied("beit"), lambda weights: weights | {index: torch.arange(9).reshape(3, 3)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_same(folder, backbone("beit"))


@pytest.mark.parametrize("kind", ["deit", "beit", "dinov2-gated", "dinov3_vit", "resnet"])
def test_a_checkpoint_that_lacks_a_tensor_or_has_one_more_is_refused(copied: Folders, kind: str) -> None:
    folder = copied(kind)
    keys = sorted(load_file(folder / "model.safetensors"))
    lost = next(key for key in keys if key.endswith(".weight"))
    kept = shutil.copy(folder / "model.safetensors", folder / "kept")
    change(folder, lambda weights: {key: value for key, value in weights.items() if key != lost})
    with pytest.raises(ModelError, match=r"lacks 1 weights or has them in another shape"):
        load_tower(str(folder))
    shutil.copy(kept, folder / "model.safetensors")
    surplus = lost.replace(".weight", ".novel")
    change(folder, lambda weights: weights | {surplus: torch.zeros(2)})
    with pytest.raises(
        ModelError, match=r"has 1 weights of the vision tower that its configuration has no place"
    ) as no:
        load_tower(str(folder))
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("kind", ["vit", "dinov2-gated", "resnet"])
def test_quantised_weights_are_refused(copied: Folders, kind: str) -> None:
    folder = copied(kind)
    change(
        folder,
        lambda weights: {key: value.to(torch.int8) if value.ndim > 1 else value for key, value in weights.items()},
    )
    with pytest.raises(ModelError, match="quantised"):
        load_tower(str(folder))


def test_weights_of_another_model_are_refused(copied: Folders, backbone: Folders) -> None:
    folder = copied("vit")
    shutil.copy(backbone("resnet") / "model.safetensors", folder)
    with pytest.raises(
        ModelError, match=r"^the weights of \S+ have no vision tower of transformers|neither of a vision"
    ):
        load_tower(str(folder))


# --- Random weights, identity and size ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vit_mae", "deit", "beit", "dinov2", "dinov3_vit", "convnext", "resnet"])
def test_random_weights_need_the_configuration_alone(copied: Folders, loaded: Loaded, kind: str) -> None:
    folder = copied(kind)
    read = loaded(kind)
    (folder / "model.safetensors").unlink()
    first, again, other = (load_tower(str(folder), random_init=True, seed=seed) for seed in (3, 3, 4))
    assert first.layers == read.layers
    assert first.fingerprint == again.fingerprint
    assert len({first.fingerprint, other.fingerprint, read.fingerprint}) == 3
    weights = [dict(tower.named_parameters()) for tower in (first, again, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(not torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_another_weight_is_another_fingerprint(loaded: Loaded, copied: Folders) -> None:
    folder = copied("dinov2")
    assert load_tower(str(folder)).fingerprint == loaded("dinov2").fingerprint
    change(folder, lambda weights: weights | {"layernorm.bias": weights["layernorm.bias"] + 1})
    assert load_tower(str(folder)).fingerprint != loaded("dinov2").fingerprint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": {"height": 4, "width": 4}}, "patches of 8 pixels, and pictures are prepared to 4 x 4"),
        ({"size": {"height": 32, "width": 24}}, "makes 32 x 24 pixels, and not squares of one size"),
        ({"do_resize": False}, "makes 20 x 25 and 27 x 20 pixels, and not squares"),
    ],
)
def test_pictures_that_are_no_squares_or_less_than_a_patch_are_refused(
    copied: Folders, changes: dict[str, Any], said: str
) -> None:
    folder = copied("dinov2")
    (folder / "preprocessor_config.json").write_text(json.dumps(SQUASHED | changes))
    with pytest.raises(ModelError, match=said) as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)


# --- Runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dinov2_with_registers", "resnet"])
def test_a_run_measures_every_layer(backbone: Folders, loaded: Loaded, tmp_path: Path, kind: str) -> None:
    arguments = ["run", "--model", str(backbone(kind)), "--dataset", "shapes-middle", "--limit", "20"]
    arguments += ["--output", str(tmp_path / "runs"), "--loader-workers", "0", "--wandb", "off"]
    assert main(arguments) == 0
    (folder,) = (tmp_path / "runs").glob(f"{kind}__*")
    curve = pd.read_csv(folder / "curve.csv")
    layers = [layer.name for layer in loaded(kind).layers]
    assert list(dict.fromkeys(curve["layer"])) == layers
    assert curve["value"].between(0, 1).all()
