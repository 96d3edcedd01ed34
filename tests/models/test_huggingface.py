"""Towers against plain transformers: what each layer is, and which weights are loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skimage
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel

from alignbench.models.families import load_tower
from folders import Folders
from taps import picture, tapped
from transformers_towers import (
    ARCHITECTURES,
    BASE,
    PREPARATIONS,
    check_layers,
    every_family,
    pil_processor,
    processor_of,
)


def plain_features(model: Any, pixel_values: Tensor, unit_norm: bool) -> dict[str, Tensor]:
    """The same from a transformers model with its own hidden states; the projection as one token."""
    with torch.inference_mode():
        if hasattr(model, "get_image_features"):
            output = model.get_image_features(pixel_values=pixel_values, output_hidden_states=True)
            projection = output.pooler_output
        else:
            output = model(pixel_values=pixel_values, output_hidden_states=True)
            projection = output.image_embeds if hasattr(output, "image_embeds") else output.pooler_output
    if unit_norm:
        projection = projection / projection.norm(dim=-1, keepdim=True)
    states = {f"layer_{index}": state for index, state in enumerate(output.hidden_states)}
    return states | {"projection": projection[:, None]}


def check_equal_bits(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for layer, features in expected.items():
        assert found[layer].dtype == torch.float32
        assert torch.equal(found[layer], features), layer


# --- Layers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name in BASE or "large" in name])
def test_layers_of_full_size_towers(name: str) -> None:
    with torch.device("meta"):  # no weights are drawn
        check_layers(load_tower(name, random_init=True), name)


@pytest.mark.parametrize("name", [BASE[0], *(pytest.param(name, marks=pytest.mark.slow) for name in BASE[1:])])
def test_layers_of_base_towers(name: str) -> None:
    tower = load_tower(name, random_init=True)
    check_layers(tower, name)
    pixels = torch.stack([tower.prepare(picture(320, 240, seed)) for seed in range(2)])
    found = tapped(tower, pixels)
    assert list(found) == [layer.name for layer in tower.layers]
    for layer in tower.layers:
        features = found[layer.name]
        assert features.shape == (2, layer.tokens, layer.channels)
        assert features.isfinite().all()
        assert not torch.equal(features[0], features[1])


# --- Features -------------------------------------------------------------------------------------------------------


@every_family
def test_features_are_the_models_own_hidden_states_bit_for_bit(tiny_tower: Folders, family: str) -> None:
    folder = tiny_tower(family)
    pictures = [picture(40 + seed, 51, seed) for seed in range(3)]
    tower = load_tower(str(folder))
    found = tapped(tower, torch.stack([tower.prepare(image) for image in pictures]))
    pixel_values = pil_processor(folder)(images=pictures, return_tensors="pt")["pixel_values"]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    check_equal_bits(found, plain_features(model, pixel_values, unit_norm=family != "clip"))


@every_family
def test_the_projection_has_norm_1_except_for_clip(tiny_tower: Folders, family: str) -> None:
    tower = load_tower(str(tiny_tower(family)))
    projection = tapped(tower, tower.prepare(picture(40, 51))[None])["projection"]
    assert (abs(float(projection.norm()) - 1.0) < 1e-6) == (family != "clip")


@every_family
def test_the_corrected_protocol_takes_the_projection_as_it_is(tiny_tower: Folders, family: str) -> None:
    paper, corrected = (load_tower(str(tiny_tower(family)), protocol=name) for name in ("paper", "corrected"))
    assert not any(layer.unit_norm for layer in corrected.layers)
    pixels = paper.prepare(picture(40, 51))[None]
    found = tapped(corrected, pixels)
    assert abs(float(found["projection"].norm()) - 1.0) > 1e-3
    model = AutoModel.from_pretrained(tiny_tower(family), dtype=torch.float32).eval()
    check_equal_bits(found, plain_features(model, paper.normalise(pixels), unit_norm=False))
    assert corrected.fingerprint == paper.fingerprint


# --- Weights --------------------------------------------------------------------------------------------------------


@every_family
def test_weights_are_those_of_the_file(tiny_tower: Folders, family: str) -> None:
    tower = load_tower(str(tiny_tower(family)))
    saved = load_file(tiny_tower(family) / "model.safetensors")
    vision = {key: value for key, value in saved.items() if not key.startswith(("text_", "logit_"))}
    own = {key.removeprefix("model."): value for key, value in tower.state_dict().items()}
    assert len(own) == len(vision)
    for key, value in vision.items():
        loaded = own[key.removeprefix("vision_model.") if family == "siglip" else key]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, value), key


@every_family
def test_random_weights_come_from_the_seed(tiny_tower: Folders, family: str) -> None:
    folder = str(tiny_tower(family))
    torch.manual_seed(1)
    drawn_before = torch.rand(3)
    torch.manual_seed(1)
    first, again, other = (load_tower(folder, random_init=True, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(3), drawn_before), "the caller's random numbers are left alone"
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.layers == load_tower(folder).layers
    weights = [dict(tower.named_parameters()) for tower in (first, again, other, load_tower(folder))]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    for compared in weights[2:]:
        matrices = [name for name, value in weights[0].items() if value.ndim > 1]
        assert matrices
        assert not any(torch.equal(weights[0][name], compared[name]) for name in matrices)


@pytest.mark.parametrize(
    ("family", "kind", "projects"),
    [
        ("clip", transformers.CLIPVisionModel, False),
        ("clip", transformers.CLIPVisionModelWithProjection, True),
        ("chinese_clip", transformers.ChineseCLIPVisionModel, False),
        ("siglip", transformers.SiglipVisionModel, True),
    ],
)
def test_checkpoints_of_the_vision_tower_alone_load(
    tiny_tower: Folders, tmp_path: Path, family: str, kind: Any, projects: bool
) -> None:
    whole = tiny_tower(family)
    kind.from_pretrained(whole).save_pretrained(tmp_path)
    shutil.copy(whole / "preprocessor_config.json", tmp_path)
    pixels = load_tower(str(whole)).prepare(picture(40, 51))[None]
    expected = tapped(load_tower(str(whole)), pixels)
    if not projects:
        del expected["projection"]
    found = tapped(load_tower(str(tmp_path)), pixels)
    assert found.keys() == expected.keys()
    for layer, features in expected.items():  # weights at other addresses: the last bit may differ
        torch.testing.assert_close(found[layer], features, rtol=1e-5, atol=1e-6)


# --- Photographs through full-size towers ---------------------------------------------------------------------------


def plain_clip(weights: dict[str, Tensor]) -> nn.Module:
    model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(patch_size=32, projection_dim=512))
    model.load_state_dict(weights)
    return model


def plain_siglip(weights: dict[str, Tensor]) -> nn.Module:
    model = transformers.SiglipVisionModel(transformers.SiglipVisionConfig())
    model.load_state_dict(weights)
    return model


def plain_chinese_clip(weights: dict[str, Tensor]) -> nn.Module:
    config = transformers.ChineseCLIPConfig(
        vision_config={"patch_size": 16}, text_config={"num_hidden_layers": 1, "vocab_size": 64}, projection_dim=512
    )
    model = transformers.ChineseCLIPModel(config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(key.startswith(("text_", "logit_")) for key in missing)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("openai/clip-vit-base-patch32", plain_clip),
        ("google/siglip-base-patch16-224", plain_siglip),
        ("OFA-Sys/chinese-clip-vit-base-patch16", plain_chinese_clip),
    ],
)
def test_photographs_through_full_size_towers(
    name: str, plain: Callable[[dict[str, Tensor]], nn.Module], tmp_path: Path
) -> None:
    shipped = Path(skimage.__file__).parent / "data"
    photographs = [
        Image.open(shipped / file).convert("RGB")
        for file in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
    ]
    tower = load_tower(name, random_init=True)
    found = tapped(tower, torch.stack([tower.prepare(image) for image in photographs]))
    model = plain({key.removeprefix("model."): value for key, value in tower.state_dict().items()}).eval()
    pixel_values = processor_of(PREPARATIONS[name], tmp_path)(images=photographs, return_tensors="pt")["pixel_values"]
    check_equal_bits(found, plain_features(model, pixel_values, unit_norm=ARCHITECTURES[name][5]))
