"""open_clip towers against open_clip itself and float64 NumPy: layers, feeds, activations, weights, preparation."""

import json
import pickle
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy.special import erf
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import Tensor, nn

from alignbench.errors import AlignbenchError, AlignbenchWarning, ModelError, UsageError
from alignbench.models.cards import cards
from alignbench.models.families import check_name, family_of, label_of, load_tower, needs_download
from alignbench.models.towers import Tower, tap
from reference import depths
from taps import picture, tapped

Array = NDArray[np.float64]
BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"

_TEXT = {"context_length": 5, "vocab_size": 16, "width": 8, "heads": 1, "layers": 1}
_OWN = {"layers": 3, "width": 32, "head_width": 8, "patch_size": 8, "image_size": 32, "mlp_ratio": 2.0}
_TRUNK = {"timm_model_name": "vit_with_class_token", "timm_pool": "", "timm_proj": "linear", "image_size": 32}
_POOLED_TRUNK = {"timm_pool": "map", "timm_proj": "none", "image_size": 32}


@register_model
def vit_with_class_token(**options: Any) -> TimmTransformer:
    """A small trunk that timm knows by name."""
    return small_trunk(class_token=True, **options)


@register_model
def vit_of_patches(**options: Any) -> TimmTransformer:
    """The same without class token, as SigLIP's."""
    return small_trunk(class_token=False, **options)


def small_trunk(class_token: bool, global_pool: str = "token", num_classes: int = 0, **_: object) -> TimmTransformer:
    trunk = TimmTransformer(
        img_size=32,
        patch_size=8,
        embed_dim=48,
        depth=3,
        num_heads=3,
        class_token=class_token,
        global_pool=global_pool,
        num_classes=num_classes,
    )
    trunk.default_cfg = {}
    return trunk


TOWERS: dict[str, dict[str, Any]] = {
    "own": {"embed_dim": 24, "vision_cfg": _OWN},
    "quick": {"embed_dim": 24, "vision_cfg": _OWN, "quick_gelu": True},
    "pooled": {
        "embed_dim": 24,
        "vision_cfg": _OWN | {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
    },
    "timm": {"embed_dim": 40, "vision_cfg": _TRUNK},
    "map": {"embed_dim": 48, "vision_cfg": {"timm_model_name": "vit_with_class_token"} | _POOLED_TRUNK},
    "patches": {"embed_dim": 48, "vision_cfg": {"timm_model_name": "vit_of_patches"} | _POOLED_TRUNK},
}
for _config in TOWERS.values():
    _config["text_cfg"] = _TEXT
every_tower = pytest.mark.parametrize("kind", list(TOWERS))

# Blocks, tokens, channels, width of the projection, whether there is a class token, as the paper's protocol sees them.
ARCHITECTURES = {
    BIOMEDCLIP: (12, 196, 768, 512, False),
    "open_clip:ViT-B-32/openai": (12, 50, 768, 512, True),
    "open_clip:ViT-B-16/openai": (12, 197, 768, 512, True),
    "open_clip:ViT-L-14/openai": (24, 257, 1024, 768, True),
    "open_clip:ViT-B-32/datacomp_m_s128m_b4k": (12, 50, 768, 512, True),
    "open_clip:ViT-B-16/laion2b_s34b_b88k": (12, 197, 768, 512, True),
    "open_clip:ViT-L-14/laion2b_s32b_b82k": (24, 257, 1024, 768, True),
}
_OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def no_text_tower_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        pytest.fail("a text tower was built, or the network was used")

    monkeypatch.setattr("open_clip.hf_model.HFTextEncoder.__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def save(folder: Path, config: dict[str, Any], preprocess: dict[str, Any] | None = None, seed: int = 0) -> Path:
    """A checkpoint directory of open_clip with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess or {}}))
    torch.manual_seed(seed)
    save_file(whole_model(config).state_dict(), folder / WEIGHTS)
    return folder


def whole_model(config: dict[str, Any]) -> Any:
    vision = dict(config["vision_cfg"])
    return open_clip.CLIP(config["embed_dim"], vision, dict(_TEXT), quick_gelu=config.get("quick_gelu", False))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a small checkpoint, by kind of tower."""
    root = tmp_path_factory.mktemp("open_clip")

    def folder(kind: str) -> Path:
        return root / kind if (root / kind).exists() else save(root / kind, TOWERS[kind])

    return folder


def copy(folders: Callable[[str], Path], kind: str, to: Path) -> Path:
    shutil.copytree(folders(kind), to / kind)
    return to / kind


def prepared(tower: Tower, count: int) -> Tensor:
    return torch.stack([tower.prepare(picture(250 + seed, 231, seed)) for seed in range(count)])


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


@every_tower
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
    assert [layer.tokens_first for layer in tower.layers] == [False, True, True, True, False]
    pixels = prepared(tower, 17)
    found = tapped(tower, pixels)
    for layer, features in tapped(usual, pixels).items():
        torch.testing.assert_close(found[layer], features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("vision", "said"),
    [
        ({"timm_model_name": "vit_tiny_patch16_224", "image_size": 160}, r"does not fit its tower: .*160"),
        (
            {"timm_model_name": "test_vit", "image_size": 96},
            r"layer_0 of \S+ gives \(1, 37, 64\) for one picture, not 101",
        ),
        ({"timm_model_name": "vit_tiny_patch16_224", "timm_proj": "none"}, r"projection of \S+ gives \(1, 197, 192\)"),
    ],
)
def test_a_tower_that_gives_something_else_than_promised_is_refused(
    tmp_path: Path, vision: dict[str, Any], said: str
) -> None:
    config = {"embed_dim": 24, "vision_cfg": {"timm_pool": "", **vision}, "text_cfg": _TEXT}
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config}))
    with pytest.raises(ModelError, match=said):
        load_tower(str(tmp_path), random_init=True)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"vision_cfg": {"layers": [1, 1, 1, 1], "width": 16, "image_size": 64, "patch_size": None}}, "ModifiedResNet"),
        ({"vision_cfg": {"timm_model_name": "convnext_atto"}}, "ConvNeXt"),
        ({"vision_cfg": {"timm_model_name": "eva02_tiny_patch14_224"}}, "Eva"),
        ({"vision_cfg": {"timm_model_name": "test_vit2", "timm_pool": ""}}, "register tokens"),
    ],
)
def test_other_towers_are_refused_by_name(tmp_path: Path, config: dict[str, Any], kind: str) -> None:
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": {"embed_dim": 32, "text_cfg": _TEXT, **config}}))
    with pytest.raises(UsageError, match=kind):
        check_name(str(tmp_path))
    with pytest.raises(UsageError, match=kind):
        load_tower(str(tmp_path), random_init=True)


# --- BiomedCLIP's two feeds -----------------------------------------------------------------------------------------


@pytest.fixture
def small_biomedclip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a checkpoint directory that is BiomedCLIP's, were its trunk the small one."""
    config = {"embed_dim": 40, "vision_cfg": _TRUNK, "text_cfg": {"hf_model_name": "microsoft/BiomedNLP-BiomedBERT"}}
    monkeypatch.setitem(cards(), BIOMEDCLIP, replace(cards()[BIOMEDCLIP], open_clip=config))

    def write(text: str = "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract", **vision: object) -> Path:
        vision_cfg = {**_TRUNK, "timm_model_pretrained": True, **vision}
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
    assert {(layer.tokens, layer.channels, layer.tokens_first) for layer in inner} == {(tokens, channels, False)}
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


@pytest.mark.slow
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


def test_random_weights_come_from_the_seed(folders: Callable[[str], Path]) -> None:
    folder = str(folders("own"))
    torch.manual_seed(1)
    drawn_before = torch.rand(3)
    torch.manual_seed(1)
    first, again, other = (load_tower(folder, random_init=True, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(3), drawn_before), "the caller's random numbers are left alone"
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.layers == load_tower(folder).layers
    weights = [dict(tower.named_parameters()) for tower in (first, again, other, load_tower(folder))]
    matrices = [name for name, value in weights[0].items() if value.ndim > 1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(torch.equal(weights[0][name], compared[name]) for compared in weights[2:] for name in matrices)


# --- Activation -----------------------------------------------------------------------------------------------------


def activations(tower: Any) -> set[str]:
    return {type(module).__name__ for module in tower.modules() if "GELU" in type(module).__name__}


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("ViT-B-32/openai", "QuickGELU"),
        ("ViT-B-32-quickgelu/openai", "QuickGELU"),
        ("ViT-B-32/laion2b_s34b_b79k", "GELU"),
        ("ViT-B-32/datacomp_m_s128m_b4k", "GELU"),
        ("ViT-B-16/openai", "QuickGELU"),
        ("ViT-B-16/dfn2b", "QuickGELU"),
        ("ViT-B-16/laion2b_s34b_b88k", "GELU"),
        ("ViT-L-14/openai", "QuickGELU"),
        ("ViT-L-14/metaclip-400M", "QuickGELU"),
        ("ViT-L-14/laion2b_s32b_b82k", "GELU"),
        ("ViT-H-14-378/dfn5b", "QuickGELU"),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", "QuickGELU"),
        ("ViT-B-16-SigLIP/webli", "GELU"),
        ("ViT-B-32-SigLIP2-256/webli", "GELUTanh"),
    ],
)
def test_the_activation_is_the_one_that_the_weights_were_trained_with(name: str, activation: str) -> None:
    with torch.device("meta"):
        assert activations(load_tower(f"open_clip:{name}", random_init=True)) == {activation}


def test_weights_trained_with_gelu_are_refused_in_a_quickgelu_architecture() -> None:
    with pytest.raises(UsageError, match=r"trained with GELU.*use open_clip:ViT-B-32/laion2b_s34b_b79k$"):
        load_tower("open_clip:ViT-B-32-quickgelu/laion2b_s34b_b79k")


def test_a_tower_with_another_activation_than_wanted_is_refused(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("open_clip.model.QuickGELU", nn.GELU)
    with pytest.raises(ModelError, match="activation GELU, and its weights were trained with QuickGELU"):
        load_tower(str(folders("quick")))


@pytest.mark.parametrize(
    ("trunk", "quick", "found"),
    [
        ("vit_base_patch32_clip_quickgelu_224", True, "QuickGELU"),
        ("vit_base_patch32_clip_quickgelu_224", False, "QuickGELU"),
        ("vit_base_patch32_clip_224", False, "GELU"),
        ("vit_base_patch32_clip_224", True, ""),
    ],
)
def test_a_timm_trunk_has_the_activation_of_its_name(tmp_path: Path, trunk: str, quick: bool, found: str) -> None:
    config = {"embed_dim": 24, "vision_cfg": {"timm_model_name": trunk, "timm_pool": ""}, "text_cfg": _TEXT}
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config | {"quick_gelu": quick}}))
    with torch.device("meta"):
        if found:
            assert activations(load_tower(str(tmp_path), random_init=True)) == {found}
        else:
            with pytest.raises(ModelError, match="activation GELU, and its weights were trained with QuickGELU"):
                load_tower(str(tmp_path), random_init=True)


@pytest.fixture
def tiny_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small architectures that open_clip knows by name: `tiny`, and its sibling with QuickGELU."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", TOWERS["own"])
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-quickgelu", TOWERS["quick"])


def archive(path: Path, config: dict[str, Any]) -> Path:
    """A TorchScript archive such as OpenAI's: half precision, and buffers that say sizes."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = whole_model(config).visual.eval()
            self.register_buffer("input_resolution", torch.tensor(32))

        def forward(self, images: Tensor) -> Tensor:
            embedded: Tensor = self.visual(images)
            return embedded

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have another format
        traced: Any = torch.jit.trace(Encoder(), torch.zeros(1, 3, 32, 32), check_trace=False)
        traced.half().save(str(path))
    return path


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.parametrize(
    ("arch", "used", "other"), [("tiny", "GELU", "tiny-quickgelu"), ("tiny-quickgelu", "QuickGELU", "tiny")]
)
@pytest.mark.parametrize("random_init", [False, True])
def test_of_a_bare_file_the_architecture_is_taken_at_its_word_with_a_warning(
    folders: Callable[[str], Path], arch: str, used: str, other: str, random_init: bool
) -> None:
    file = folders("own") / WEIGHTS
    with pytest.warns(AlignbenchWarning) as warned:
        tower = load_tower(f"open_clip:{arch}/{file}", random_init=random_init)
    said = str(warned[0].message)
    assert f"does not say its activation: {used} is used, as {arch} has it" in said
    assert f"give open_clip:{other}/{file}" in said
    assert activations(tower) == {used}


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.filterwarnings("error::alignbench.errors.AlignbenchWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("arch", ["tiny", "tiny-quickgelu"])
@pytest.mark.parametrize("kind", ["own", "quick"])
def test_a_torchscript_archive_says_its_activation(tmp_path: Path, arch: str, kind: str) -> None:
    file = archive(tmp_path / "archive.pt", TOWERS[kind])
    wanted = {"own": "GELU", "quick": "QuickGELU"}[kind]
    assert activations(load_tower(f"open_clip:{arch}/{file}", random_init=True)) == {wanted}
    tower: Any = load_tower(f"open_clip:{arch}/{file}")
    assert activations(tower) == {wanted}
    weights = torch.jit.load(str(file)).visual.state_dict()
    assert all(torch.equal(value, weights[key].float()) for key, value in tower.model.state_dict().items())


def test_an_archive_and_a_configuration_that_disagree_are_refused(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy(folders, "own", tmp_path)
    archive(folder / "open_clip_pytorch_model.bin", TOWERS["quick"])
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="name different activations"):
        load_tower(str(folder))


# --- Weights --------------------------------------------------------------------------------------------------------


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> Path:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    return folder


@every_tower
def test_weights_are_those_of_the_file(folders: Callable[[str], Path], kind: str) -> None:
    tower: Any = load_tower(str(folders(kind)))
    saved = load_file(folders(kind) / WEIGHTS)
    visual = {key.removeprefix("visual."): value for key, value in saved.items() if key.startswith("visual.")}
    own = tower.model.state_dict()
    assert own.keys() == visual.keys()
    assert all(torch.equal(own[key], value) for key, value in visual.items())


def test_only_the_vision_half_is_looked_at(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    expected = load_tower(str(folder)).fingerprint

    def without_text(weights: dict[str, Tensor]) -> None:
        for key in [key for key in weights if not key.startswith("visual.")]:
            del weights[key]
        weights["text.transformer.embeddings.word"] = torch.zeros(3)

    assert load_tower(str(rewrite(folder, without_text))).fingerprint == expected


@pytest.mark.parametrize("form", ["bin", "nested", "parallel"])
def test_the_form_of_a_file_does_not_matter(folders: Callable[[str], Path], tmp_path: Path, form: str) -> None:
    folder = copy(folders, "own", tmp_path)
    expected = load_tower(str(folder))
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    if form == "parallel":
        weights = {f"module.{key}": value for key, value in weights.items()}
    state = weights if form == "bin" else {"epoch": 3, "state_dict": weights}
    torch.save(state, folder / ("epoch_3.pt" if form == "nested" else "open_clip_pytorch_model.bin"))
    tower = load_tower(str(folder))
    assert tower.fingerprint == expected.fingerprint
    pixels = prepared(tower, 2)
    before = tapped(expected, pixels)
    assert all(torch.equal(features, before[layer]) for layer, features in tapped(tower, pixels).items())


def test_the_fingerprint_settles_the_output(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    seen = {load_tower(str(folders("own"))).fingerprint}
    assert load_tower(str(folder)).fingerprint in seen

    def nudge(weights: dict[str, Tensor]) -> None:
        weights["visual.proj"][0, 0] += 1e-6

    config = json.loads((folder / CONFIG).read_text())
    rewrite(folder, nudge)
    seen.add(load_tower(str(folder)).fingerprint)
    for change in ({"preprocess_cfg": {"interpolation": "bilinear"}}, {"model_cfg": TOWERS["quick"]}):
        (folder / CONFIG).write_text(json.dumps(config | change))
        seen.add(load_tower(str(folder)).fingerprint)
    assert len(seen) == 4


def _lose(key: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.__delitem__(key)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (
            "own",
            _lose("visual.transformer.resblocks.2.mlp.c_fc.bias"),
            r"lacks 1 weights.*visual\.transformer\.resblocks\.2",
        ),
        ("timm", _lose("visual.trunk.cls_token"), r"lacks 1 weights.*visual\.trunk\.cls_token"),
        ("timm", _lose("visual.head.proj.weight"), r"lacks 1 weights.*visual\.head\.proj\.weight"),
        (
            "own",
            lambda weights: weights.update({"visual.positional_embedding": torch.zeros(26, 32)}),
            r"in another shape \(visual\.positional_embedding\)",
        ),
        (
            "own",
            lambda weights: weights.update({"visual.transformer.resblocks.3.ln_1.bias": torch.zeros(32)}),
            r"no place for \(visual\.transformer\.resblocks\.3",
        ),
    ],
)
def test_weights_must_be_exactly_those_of_the_tower(
    folders: Callable[[str], Path], tmp_path: Path, kind: str, change: Callable[[dict[str, Tensor]], None], said: str
) -> None:
    folder = rewrite(copy(folders, kind, tmp_path), change)
    with pytest.raises(ModelError, match=said) as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)


class Rogue:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_wants_to_run_code_does_not(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder, mark = copy(folders, "own", tmp_path), tmp_path / "was here"
    (folder / WEIGHTS).unlink()
    torch.save({"visual.proj": Rogue(mark)}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match="run code when they are read, which is not allowed") as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)
    assert not mark.exists()


@pytest.mark.parametrize("name", [WEIGHTS, "open_clip_pytorch_model.bin"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"PK\x03\x04 cut off"], ids=["empty", "zeros", "cut"])
def test_damaged_files_are_refused(folders: Callable[[str], Path], tmp_path: Path, name: str, content: bytes) -> None:
    folder = copy(folders, "own", tmp_path)
    (folder / WEIGHTS).unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match="download them again") as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)


def test_weights_of_something_else_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    save_file({"vision_model.embeddings": torch.zeros(3)}, folder / WEIGHTS)
    with pytest.raises(ModelError, match="no vision tower"):
        load_tower(str(folder))


# --- Preparation ----------------------------------------------------------------------------------------------------

PREPARATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "squash": {"mean": _HALVES[0], "std": _HALVES[1], "resize_mode": "squash", "interpolation": "bilinear"},
    "longest": {"resize_mode": "longest", "fill_color": 127},
    "plain": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "interpolation": "bilinear"},
}


@pytest.fixture(scope="module")
def preparing(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("preparations")
    return lambda name: root / name if (root / name).exists() else save(root / name, TOWERS["own"], PREPARATIONS[name])


@pytest.mark.parametrize("size", [(31, 57), (97, 33), (32, 32), (5, 90), (90, 5), (427, 640)])
@pytest.mark.parametrize("name", list(PREPARATIONS))
def test_pictures_are_prepared_as_by_open_clip_bit_for_bit(
    preparing: Callable[[str], Path], name: str, size: tuple[int, int]
) -> None:
    tower: Any = load_tower(str(preparing(name)), random_init=True)
    _, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{preparing(name)}")
    for image in (picture(*size), picture(*size).convert("L"), picture(*size).convert("RGBA")):
        if image.mode == "RGBA":
            image.putalpha(Image.linear_gradient("L").resize(size))
        made = tower.prepare(image)
        assert (made.dtype, made.shape) == (torch.uint8, (3, 32, 32))
        assert torch.equal(tower.normalise(made[None])[0], preprocess(image))


@pytest.mark.parametrize(
    ("name", "colours", "squashed"),
    [
        ("open_clip:ViT-B-32/openai", _OPENAI, False),
        ("open_clip:ViT-B-16/laion2b_s34b_b88k", _OPENAI, False),
        ("open_clip:ViT-L-14/laion2b_s32b_b82k", _HALVES, False),
        ("open_clip:ViT-B-16-SigLIP/webli", _HALVES, True),
        (BIOMEDCLIP, _OPENAI, False),
    ],
)
def test_preparation_in_plain_pillow(name: str, colours: tuple[tuple[float, ...], ...], squashed: bool) -> None:
    with torch.device("meta"):
        tower: Any = load_tower(name, random_init=True)
    image = picture(512, 384)
    if squashed:
        resized = image.resize((224, 224), Image.Resampling.BICUBIC)
    else:  # 512 x 384 becomes 298 x 224
        resized = image.resize((298, 224), Image.Resampling.BICUBIC).crop((37, 0, 261, 224))
    made = tower.prepare(image)
    np.testing.assert_array_equal(made.permute(1, 2, 0).numpy(), np.asarray(resized))
    expected = (np.asarray(resized) / 255.0 - colours[0]) / colours[1]
    np.testing.assert_allclose(tower.normalise(made[None])[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_preparation_travels_to_other_processes_without_weights(folders: Callable[[str], Path]) -> None:
    tower, image = load_tower(str(folders("own"))), picture(40, 51)
    packed = pickle.dumps(tower.prepare)
    assert len(packed) < 5_000
    assert torch.equal(pickle.loads(packed)(image), tower.prepare(image))


@pytest.mark.parametrize(
    "preprocess",
    [{"resize_mode": "stretch"}, {"mean": [0.5, 0.5]}, {"std": [0.0, 1.0, 1.0]}, {"interpolation": "magic"}],
)
def test_a_preparation_that_cannot_be_followed_is_refused(tmp_path: Path, preprocess: dict[str, Any]) -> None:
    folder = save(tmp_path / "folder", TOWERS["own"], preprocess)
    with pytest.raises(ModelError, match=r"preprocess_cfg of \S+ cannot be followed"):
        load_tower(str(folder))


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.parametrize(
    ("tags", "taken", "warned"),
    [
        ({"webli": _HALVES}, _HALVES, False),
        ({"webli": _HALVES, "again": _HALVES}, _HALVES, False),
        ({"webli": _HALVES, "other": _OPENAI}, _OPENAI, True),
        ({}, _OPENAI, True),
    ],
)
def test_of_a_bare_file_pictures_are_prepared_as_the_tags_of_its_architecture_agree(
    folders: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tags: dict[str, tuple[tuple[float, ...], ...]],
    taken: tuple[tuple[float, ...], ...],
    warned: bool,
) -> None:
    known = {tag: {"mean": mean, "std": std, "hf_hub": "nobody/tiny/", "url": ""} for tag, (mean, std) in tags.items()}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", known)
    with pytest.warns(AlignbenchWarning) as found:
        tower: Any = load_tower(f"open_clip:tiny/{folders('own') / WEIGHTS}")
    assert ("nor does it say how pictures are prepared" in str(found[0].message)) == warned
    expected = image_transform_v2(PreprocessCfg(size=32, mean=taken[0], std=taken[1]), is_train=False)(picture(40, 51))
    assert torch.equal(tower.normalise(tower.prepare(picture(40, 51))[None])[0], expected)


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("opn_clip:ViT-B-32/openai", r"^unknown model family 'opn_clip': did you mean open_clip\?$"),
        ("open_clip:ViT-B32/openai", r"^unknown open_clip architecture 'ViT-B32': did you mean ViT-B-32 or"),
        ("open_clip:vit-l-14/openai", r"^unknown open_clip architecture 'vit-l-14': did you mean ViT-L-14 or"),
        ("open_clip:zzzz/openai", r"open_clip has no architecture zzzz .*and zzzz/openai is no directory$"),
        ("open_clip:ViT-B-32/opnai", r"^unknown pretrained tag of ViT-B-32 'opnai': did you mean openai\?$"),
        ("open_clip:ViT-B-32", r"says no weights: give open_clip:ViT-B-32/TAG with one of openai, "),
        ("open_clip:ViT-B-32/", r"says no weights: give open_clip:ViT-B-32/TAG with one of openai, "),
        ("open_clip:ViT-M-16/any", r"no pretrained tags of ViT-M-16: give a file of weights"),
        ("open_clip:", r"^open_clip: names no model"),
        ("open_clip:RN50/openai", r"tower of type ModifiedResNet"),
    ],
)
def test_wrong_names_are_answered_in_one_line(name: str, said: str) -> None:
    for attempt in (check_name, load_tower, partial(load_tower, random_init=True)):
        with pytest.raises(UsageError, match=said) as refused:
            attempt(name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open_clip:ViT-B-32/no-such-file.pt", r"there is no file no-such-file\.pt$"),
        ("open_clip:ViT-B-32//no/such/file", r"there is no file /no/such/file$"),
        ("open_clip:/no/such/folder", r"there is no directory /no/such/folder$"),
        ("open_clip:./folder", r"there is no directory \./folder$"),
    ],
)
def test_missing_files_are_named(name: str, said: str) -> None:
    for attempt in (check_name, load_tower):
        with pytest.raises(ModelError, match=said):
            attempt(name)


def test_a_known_name_goes_before_what_lies_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "ViT-B-32" / "openai", TOWERS["own"])
    monkeypatch.chdir(tmp_path)
    with torch.device("meta"):
        assert load_tower("open_clip:ViT-B-32/openai", random_init=True).layers[0].tokens == 50
    assert load_tower("open_clip:./ViT-B-32/openai").layers[0].tokens == 17


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")
def test_a_local_checkpoint_has_several_names(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy(folders, "own", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {
        str(folder): "own",
        f"open_clip:{folder}": "open_clip:own",
        "open_clip:own": "open_clip:own",
        f"open_clip:tiny/{folder / WEIGHTS}": f"open_clip:tiny/{WEIGHTS}",
        f"open_clip:tiny/own/{WEIGHTS}": f"open_clip:tiny/{WEIGHTS}",
    }
    assert len({load_tower(name).fingerprint for name in names}) == 1
    assert {name: label_of(name) for name in names} == names
    assert {family_of(name).name for name in names} == {"open_clip"}
    assert not any(needs_download(name) for name in names)


@pytest.mark.parametrize(
    "name", ["open_clip:ViT-B-32/openai", BIOMEDCLIP, "open_clip:hf-hub:nobody/nothing", "openai/clip-vit-base-patch16"]
)
def test_other_labels_are_the_names(name: str) -> None:
    assert label_of(name) == name


@pytest.mark.parametrize(
    ("files", "family"),
    [
        ({CONFIG: "{}"}, "open_clip"),
        ({CONFIG: "{}", "config.json": '{"architecture": "vit_base_patch16_224"}'}, "open_clip"),
        ({CONFIG: "{}", "config.json": '{"model_type": "clip"}'}, "transformers"),
        ({CONFIG: "{}", "config.json": "{"}, "transformers"),
        ({"config.json": '{"model_type": "clip"}'}, "transformers"),
        ({}, "transformers"),
    ],
)
def test_what_is_in_a_directory_settles_its_family(tmp_path: Path, files: dict[str, str], family: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert family_of(str(tmp_path)).name == family


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be followed"),
        ("[]", "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24}}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": "24", "vision_cfg": {}}}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24, "vision_cfg": {}}, "preprocess_cfg": [1]}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24, "vision_cfg": {"depth": 3}}}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24, "vision_cfg": {"timm_model_name": "vit_nowhere"}}}', "cannot be followed"),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(ModelError, match=said) as refused:
        load_tower(str(tmp_path), random_init=True)
    assert "\n" not in str(refused.value)


def test_directories_without_clear_weights_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    (folder / WEIGHTS).rename(folder / "first.safetensors")
    expected = load_tower(str(folders("own"))).fingerprint
    assert load_tower(str(folder)).fingerprint == expected
    shutil.copy(folder / "first.safetensors", folder / "second.safetensors")
    with pytest.raises(ModelError, match=r"several files of weights \(first\.safetensors, second\.safetensors\)"):
        load_tower(str(folder))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelError, match=f"put {WEIGHTS} beside {CONFIG}"):
        load_tower(str(folder))
    assert load_tower(str(folder), random_init=True).layers == load_tower(str(folders("own"))).layers


# --- Downloads ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """An empty cache of the hub, to which repositories can be added; open_clip knows `tiny` with two tags."""
    root = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    common = {"url": "", "mean": _HALVES[0], "std": _HALVES[1]}
    tags = {
        "made": {"hf_hub": "nobody/made/", "quick_gelu": True, **common},
        "named": {"hf_hub": "nobody/named/weights.bin", **common},
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", tags)

    def add(repository: str, *files: Path, name: str = "") -> None:
        place = root / f"models--{repository.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40)
        (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
        for file in files:
            shutil.copy(file, place / "snapshots" / ("0" * 40) / (name or file.name))

    return add


@pytest.mark.usefixtures("tiny_architectures")
def test_a_tag_is_taken_from_open_clips_cache(cache: Callable[..., None], folders: Callable[[str], Path]) -> None:
    name = "open_clip:tiny/made"
    check_name(name)
    assert needs_download(name)
    assert not needs_download(name, random_init=True)
    assert load_tower(name, random_init=True).layers[0].tokens == 17
    with pytest.raises(
        ModelError, match=r"is not in the local cache and cannot be downloaded .*--random-init"
    ) as refused:
        load_tower(name)
    assert "\n" not in str(refused.value)
    cache("nobody/made", folders("own") / WEIGHTS)
    assert not needs_download(name)
    tower: Any = load_tower(name)
    assert activations(tower) == {"QuickGELU"}
    assert torch.equal(tower.model.state_dict()["proj"], load_file(folders("own") / WEIGHTS)["visual.proj"])
    assert torch.equal(tower.normalise(torch.full((1, 3, 1, 1), 255)).flatten(), torch.ones(3))


@pytest.mark.usefixtures("tiny_architectures")
def test_a_tag_may_name_its_file(cache: Callable[..., None], folders: Callable[[str], Path]) -> None:
    assert needs_download("open_clip:tiny/named")
    cache("nobody/named", folders("own") / WEIGHTS, name="weights.safetensors")
    assert not needs_download("open_clip:tiny/named")
    assert load_tower("open_clip:tiny/named").layers[0].tokens == 17


def test_a_hub_repository_is_a_model(cache: Callable[..., None], folders: Callable[[str], Path]) -> None:
    name = "open_clip:hf-hub:nobody/whole"
    check_name(name)
    assert needs_download(name)
    with pytest.raises(ModelError, match="is not in the local cache"):
        load_tower(name)
    cache("nobody/whole", folders("own") / CONFIG, folders("own") / WEIGHTS)
    assert not needs_download(name)
    assert load_tower(name).fingerprint == load_tower(str(folders("own"))).fingerprint


def test_random_weights_need_no_more_than_a_configuration(
    cache: Callable[..., None], folders: Callable[[str], Path]
) -> None:
    cache("nobody/half", folders("own") / CONFIG)
    assert needs_download("open_clip:hf-hub:nobody/half")
    assert not needs_download("open_clip:hf-hub:nobody/half", random_init=True)
    assert load_tower("open_clip:hf-hub:nobody/half", random_init=True).layers[0].tokens == 17


@pytest.mark.usefixtures("cache")
def test_biomedclip_is_the_same_under_both_its_names(
    cache: Callable[..., None], folders: Callable[[str], Path]
) -> None:
    assert needs_download(BIOMEDCLIP)
    with torch.device("meta"):
        towers = [load_tower(name, random_init=True) for name in (BIOMEDCLIP, f"open_clip:hf-hub:{BIOMEDCLIP}")]
    assert towers[0].fingerprint == towers[1].fingerprint
    with pytest.raises(ModelError, match="is not in the local cache"):
        load_tower(BIOMEDCLIP)
    cache(BIOMEDCLIP, folders("timm") / CONFIG, folders("timm") / WEIGHTS)
    intact = [load_tower(name, protocol="corrected") for name in (BIOMEDCLIP, str(folders("timm")))]
    assert intact[0].fingerprint == intact[1].fingerprint
    assert not load_tower(BIOMEDCLIP).has_class_token  # fed bare by its name alone, whatever its configuration says


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.usefixtures("cache")
def test_cards_that_are_not_here_say_so(name: str) -> None:
    assert needs_download(name)
    with pytest.raises(AlignbenchError, match="is not in the local cache and cannot be downloaded"):
        load_tower(name)
