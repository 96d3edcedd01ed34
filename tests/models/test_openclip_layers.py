"""Layers of open_clip towers against open_clip itself and float64 NumPy, with BiomedCLIP's two feeds."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import erf
from torch import Tensor, nn

from alignbench.errors import ModelError
from alignbench.models.cards import cards
from alignbench.models.families import load_tower, needs_download
from alignbench.models.towers import Tower, tap
from openclip_towers import ARCHITECTURES, BIOMEDCLIP, CONFIG, TOWERS, TRUNK, WEIGHTS, every_transformer, prepared, save
from openclip_towers import TEXT as _TEXT
from reference import depths
from taps import picture, tapped

Array = NDArray[np.float64]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_text_tower_and_no_network")]


def own_features(visual: Any, images: Tensor) -> dict[str, Tensor]:
    """Tokens of the blocks and the projection as open_clip and timm themselves hand them out, prefix tokens first."""
    with torch.inference_mode():
        found = visual.forward_intermediates(images, output_fmt="NLC", output_extra_tokens=True)
    prefixes = found.get("image_intermediates_prefix", [None] * len(found["image_intermediates"]))
    features = {
        f"layer_{index}": patches if prefix is None else torch.cat([prefix, patches], dim=1)
        for index, (prefix, patches) in enumerate(zip(prefixes, found["image_intermediates"], strict=True), start=1)
    }
    return features | {"projection": found["image_features"][:, None]}


def check_equal_bits(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == {"layer_0", *expected}
    for layer, features in expected.items():
        assert torch.equal(found[layer], features), layer


# --- Towers by hand, in float64 NumPy -------------------------------------------------------------------------------


def gelu(x: Array) -> Array:
    return np.asarray(x * (1 + erf(x / np.sqrt(2))) / 2)


def quick_gelu(x: Array) -> Array:
    return np.asarray(x / (1 + np.exp(-1.702 * x)))


class ByHand:
    """The arithmetic of a vision transformer on weights with the names of open_clip or of timm."""

    def __init__(
        self, weights: dict[str, Tensor], timm: bool, heads: int, activation: Callable[[Array], Array]
    ) -> None:
        self.weights = {key: value.double().numpy() for key, value in weights.items()}
        self.timm, self.heads, self.activation = timm, heads, activation
        self.blocks = 1 + max(int(key.split("blocks.")[1].split(".")[0]) for key in weights if "blocks." in key)

    def norm(self, x: Array, name: str) -> Array:
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + (1e-6 if self.timm else 1e-5))
        centred = (x - x.mean(axis=-1, keepdims=True)) / spread
        return np.asarray(centred * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])

    def linear(self, x: Array, weight: str, bias: str) -> Array:
        return np.asarray(x @ self.weights[weight].T + self.weights[bias])

    def attend(self, x: Array, name: str) -> Array:
        inner, outer = ("qkv.", "proj") if self.timm else ("in_proj_", "out_proj")
        joint = self.linear(x, f"{name}.{inner}weight", f"{name}.{inner}bias")
        query, key, value = joint.reshape(*x.shape[:2], 3, self.heads, -1).transpose(2, 0, 3, 1, 4)
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (shares / shares.sum(axis=-1, keepdims=True)) @ value
        return self.linear(
            mixed.transpose(0, 2, 1, 3).reshape(x.shape), f"{name}.{outer}.weight", f"{name}.{outer}.bias"
        )

    def block(self, x: Array, index: int) -> Array:
        place = f"trunk.blocks.{index}" if self.timm else f"transformer.resblocks.{index}"
        first, second, wide, narrow = (
            ("norm1", "norm2", "fc1", "fc2") if self.timm else ("ln_1", "ln_2", "c_fc", "c_proj")
        )
        x = x + self.attend(self.norm(x, f"{place}.{first}"), f"{place}.attn")
        hidden = self.linear(
            self.norm(x, f"{place}.{second}"), f"{place}.mlp.{wide}.weight", f"{place}.mlp.{wide}.bias"
        )
        return x + self.linear(self.activation(hidden), f"{place}.mlp.{narrow}.weight", f"{place}.mlp.{narrow}.bias")

    def patches(self, images: Array) -> Array:
        kernel = self.weights["trunk.patch_embed.proj.weight" if self.timm else "conv1.weight"]
        side, count = kernel.shape[-1], images.shape[-1] // kernel.shape[-1]
        cut = images.reshape(len(images), 3, count, side, count, side)
        tokens = np.einsum("bcihjw,dchw->bijd", cut, kernel).reshape(len(images), count**2, -1)
        return np.asarray(tokens + self.weights["trunk.patch_embed.proj.bias"] if self.timm else tokens)

    def embeddings(self, images: Array) -> Array:
        token = self.weights["trunk.cls_token"][0] if self.timm else self.weights["class_embedding"][None]
        positions = self.weights["trunk.pos_embed"][0] if self.timm else self.weights["positional_embedding"]
        tokens = np.concatenate([np.repeat(token[None], len(images), axis=0), self.patches(images)], axis=1) + positions
        return tokens if self.timm else self.norm(tokens, "ln_pre")

    def through(self, tokens: Array) -> dict[str, Array]:
        states = {"layer_0": tokens}
        for index in range(self.blocks):
            states[f"layer_{index + 1}"] = self.block(states[f"layer_{index}"], index)
        return states

    def projection(self, last: Array) -> Array:
        if self.timm:
            return np.asarray(self.norm(last, "trunk.norm")[:, :1] @ self.weights["head.proj.weight"].T)
        return np.asarray(self.norm(last, "ln_post")[:, :1] @ self.weights["proj"])

    def intact(self, images: Array) -> dict[str, Array]:
        states = self.through(self.embeddings(images))
        return states | {"projection": self.projection(states[f"layer_{self.blocks}"])}

    def bare(self, images: Array) -> dict[str, Array]:
        """As the paper's scripts fed BiomedCLIP; the projection is that of the intact tower."""
        return self.through(self.patches(images)) | {"projection": self.intact(images)["projection"]}


def by_hand(folder: Path, activation: Callable[[Array], Array] = gelu) -> ByHand:
    weights = load_file(folder / WEIGHTS)
    visual = {key.removeprefix("visual."): value for key, value in weights.items() if key.startswith("visual.")}
    timm = "trunk.cls_token" in visual
    return ByHand(visual, timm, heads=3 if timm else 4, activation=activation)


def check_close(found: dict[str, Tensor], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for layer, features in expected.items():
        assert found[layer].shape == features.shape
        worst = np.abs(found[layer].double().numpy() - features).max() / np.abs(features).max()
        assert worst < 1e-5, f"{layer} is off by {worst:.1e} of its largest value"


# --- Layers ---------------------------------------------------------------------------------------------------------


@every_transformer
def test_features_are_open_clips_own_bit_for_bit(folders: Callable[[str], Path], kind: str) -> None:
    tower = load_tower(str(folders(kind)))
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folders(kind)}")
    pictures = [picture(250 + seed, 231, seed) for seed in range(3)]
    images = torch.stack([preprocess(image) for image in pictures])
    found = tapped(tower, torch.stack([tower.prepare(image) for image in pictures]))
    check_equal_bits(found, own_features(model.visual.eval(), images))
    blocks = len(found) - 2
    assert [layer.name for layer in tower.layers] == list(depths(blocks))
    assert [layer.depth for layer in tower.layers] == pytest.approx(list(depths(blocks).values()))
    assert tower.has_class_token == (kind != "patches")
    assert {layer.tokens for layer in tower.layers[:-1]} == {16 + tower.has_class_token}
    assert not any(layer.unit_norm for layer in tower.layers)


@pytest.mark.parametrize(("kind", "activation"), [("own", gelu), ("quick", quick_gelu), ("timm", gelu)])
def test_features_are_those_worked_out_by_hand(
    folders: Callable[[str], Path], kind: str, activation: Callable[[Array], Array]
) -> None:
    tower = load_tower(str(folders(kind)))
    pixels = prepared(tower, 2)
    images = tower.normalise(pixels).double().numpy()
    check_close(tapped(tower, pixels), by_hand(folders(kind), activation).intact(images))


def test_as_many_pictures_as_tokens_are_not_mixed_up(folders: Callable[[str], Path]) -> None:
    tower = load_tower(str(folders("own")))
    pixels = prepared(tower, 17)  # an image has 17 tokens
    together, alone = tapped(tower, pixels), tapped(tower, pixels[5:6])
    for layer, features in alone.items():
        torch.testing.assert_close(together[layer][5:6], features, rtol=1e-4, atol=1e-5)


def test_a_tower_that_runs_tokens_first_is_turned_round(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = load_tower(str(folders("own")))
    turned = partial(open_clip.transformer.Transformer, batch_first=False)
    monkeypatch.setattr("open_clip.transformer.Transformer", turned)
    tower = load_tower(str(folders("own")))
    assert [layer.axes for layer in tower.layers] == ["BTC", "TBC", "TBC", "TBC", "BTC"]
    pixels = prepared(tower, 17)
    found = tapped(tower, pixels)
    for layer, features in tapped(usual, pixels).items():
        torch.testing.assert_close(found[layer], features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("vision", "said"),
    [
        (
            {"timm_model_name": "vit_tiny_patch16_224", "image_size": 160},
            "pictures of 160 x 160 pixels.* takes 224 x 224",
        ),
        ({"timm_model_name": "test_vit", "image_size": 96}, "pictures of 96 x 96 pixels.* takes 160 x 160"),
        (
            {"timm_model_name": "vit_tiny_patch16_224", "timm_proj": "none"},
            "gives no pooled output .*, not 24",
        ),
        (
            {"timm_model_name": "test_vit", "image_size": 160, "timm_pool": "map", "timm_proj": "none"},
            "64 channels.*, not 24",
        ),
        ({"layers": [1, 1, 1, 1], "width": 16, "image_size": 63, "patch_size": None}, "does not fit its tower: "),
    ],
)
def test_a_tower_that_gives_something_else_than_promised_is_refused(
    tmp_path: Path, vision: dict[str, Any], said: str
) -> None:
    config = {"embed_dim": 24, "vision_cfg": {"timm_pool": "", **vision}, "text_cfg": _TEXT}
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config}))
    with pytest.raises(ModelError, match=said):
        load_tower(str(tmp_path), random_init=True)


# --- BiomedCLIP's two feeds -----------------------------------------------------------------------------------------


@pytest.fixture
def small_biomedclip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a checkpoint directory that is BiomedCLIP's, were its trunk the small one."""
    config = {"embed_dim": 40, "vision_cfg": TRUNK, "text_cfg": {"hf_model_name": "microsoft/BiomedNLP-BiomedBERT"}}
    monkeypatch.setitem(cards(), BIOMEDCLIP, replace(cards()[BIOMEDCLIP], open_clip=config))

    def write(text: str = "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract", **vision: object) -> Path:
        vision_cfg = {**TRUNK, "timm_model_pretrained": True, **vision}
        model = {"embed_dim": 40, "vision_cfg": vision_cfg, "text_cfg": {"hf_model_name": text}}
        folder = save(tmp_path / "biomedclip", TOWERS["timm"])
        (folder / CONFIG).write_text(json.dumps({"model_cfg": model}))
        return folder

    return write


def test_biomedclip_is_fed_bare_under_the_paper_protocol(small_biomedclip: Callable[..., Path]) -> None:
    folder = small_biomedclip()
    tower = load_tower(str(folder), protocol="paper")
    assert not tower.has_class_token
    assert {layer.tokens for layer in tower.layers[:-1]} == {16}
    pixels = prepared(tower, 2)
    check_close(tapped(tower, pixels), by_hand(folder).bare(tower.normalise(pixels).double().numpy()))


def test_biomedclip_is_intact_under_the_corrected_protocol(small_biomedclip: Callable[..., Path]) -> None:
    folder = small_biomedclip()
    tower = load_tower(str(folder), protocol="corrected")
    assert tower.has_class_token
    assert {layer.tokens for layer in tower.layers[:-1]} == {17}
    pixels = prepared(tower, 2)
    check_close(tapped(tower, pixels), by_hand(folder).intact(tower.normalise(pixels).double().numpy()))


@pytest.mark.parametrize("random_init", [False, True])
def test_the_two_feeds_are_told_apart(small_biomedclip: Callable[..., Path], random_init: bool) -> None:
    folder = str(small_biomedclip())
    bare, intact = (load_tower(folder, protocol=name, random_init=random_init) for name in ("paper", "corrected"))
    assert bare.fingerprint != intact.fingerprint
    pixels = prepared(bare, 1)
    assert torch.equal(tapped(bare, pixels)["projection"], tapped(intact, pixels)["projection"])


@pytest.mark.parametrize("kind", ["own", "convnext"])
def test_another_tower_under_biomedclips_name_is_refused(tmp_path: Path, kind: str) -> None:
    folder = save(tmp_path / BIOMEDCLIP, TOWERS[kind])
    with pytest.raises(ModelError, match=r"of another tower than BiomedCLIP's: download it again$"):
        load_tower(str(folder))
    assert load_tower(str(folder), protocol="corrected").layers[-1].channels == 24


def test_each_layer_is_heard_once_in_a_bare_pass(small_biomedclip: Callable[..., Path]) -> None:
    tower = load_tower(str(small_biomedclip()))
    heard: list[str] = []
    with tap(tower, tower.layers, lambda layer, features: heard.append(layer.name)), torch.inference_mode():
        tower(prepared(tower, 1))
    assert sorted(heard) == sorted(depths(3))


def test_other_timm_trunks_are_always_intact(small_biomedclip: Callable[..., Path]) -> None:
    tower = load_tower(str(small_biomedclip(text="bert-base-uncased")), protocol="paper")
    assert tower.has_class_token
    assert tower.layers[0].tokens == 17


# --- Cards, at full size --------------------------------------------------------------------------------------------


def check_layers(tower: Tower, blocks: int, tokens: int, channels: int, width: int, class_token: bool) -> None:
    assert [layer.name for layer in tower.layers] == list(depths(blocks))
    *inner, last = tower.layers
    assert {(layer.tokens, layer.channels, layer.axes) for layer in inner} == {(tokens, channels, "BTC")}
    assert (last.tokens, last.channels, last.unit_norm) == (1, width, False)
    assert tower.has_class_token == class_token


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_cards_are_built_without_a_download(name: str) -> None:
    assert not needs_download(name, random_init=True)
    with torch.device("meta"):  # no weights are drawn
        tower = load_tower(name, random_init=True)
    check_layers(tower, *ARCHITECTURES[name])
    card = cards()[name]
    size, patch = card.architecture.split("-")
    assert (tower.layers[-1].channels == 768) == (size == "large")
    assert int(patch) == card.patch_size
    assert tower.prepare(picture(300, 240)).shape[1:] == (card.image_size, card.image_size)


def check_full_size(name: str, protocol: str) -> None:
    tower: Any = load_tower(name, random_init=True, protocol=protocol)
    pixels = prepared(tower, 1)
    check_equal_bits(tapped(tower, pixels), own_features(tower.model, tower.normalise(pixels)))


@pytest.mark.parametrize("name", ["open_clip:ViT-B-32/openai", "open_clip:ViT-B-16/laion2b_s34b_b88k"])
def test_base_towers_run(name: str) -> None:
    check_full_size(name, "paper")


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("open_clip:ViT-L-14/openai", "paper"),
        (BIOMEDCLIP, "corrected"),
        ("open_clip:ViT-B-16-SigLIP/webli", "paper"),
    ],
)
def test_other_full_size_towers_run(name: str, protocol: str) -> None:
    check_full_size(name, protocol)


def test_biomedclip_at_full_size_begins_with_its_patches_alone() -> None:
    tower: Any = load_tower(BIOMEDCLIP, random_init=True)
    check_layers(tower, *ARCHITECTURES[BIOMEDCLIP])
    pixels = prepared(tower, 1)
    found, images = tapped(tower, pixels), tower.normalise(pixels)
    visual = tower.model.visual
    kernel, bias = visual.trunk.patch_embed.proj.weight, visual.trunk.patch_embed.proj.bias
    with torch.inference_mode():
        patches = nn.functional.conv2d(images, kernel, bias, stride=16).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found["layer_0"], patches, rtol=1e-5, atol=1e-6)
    assert all(features.isfinite().all() for features in found.values())
