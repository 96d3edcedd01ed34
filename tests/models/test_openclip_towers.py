"""Towers of open_clip that are no plain transformers: features are open_clip's and timm's own, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from torch import Tensor

from alignbench.errors import ModelError, UsageError
from alignbench.models.families import load_tower, skeleton
from alignbench.models.layer_choice import choose_layers
from openclip_towers import CONFIG, OTHERS, TEXT, TOWERS, WEIGHTS, prepared, save
from taps import picture, tapped

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_text_tower_and_no_network")]


def tokens(each: Tensor) -> Tensor:
    """A map, or tokens, as (B, tokens, channels)."""
    return each if each.ndim == 3 else each.flatten(2).transpose(1, 2)


def own_features(visual: Any, images: Tensor) -> list[Tensor]:
    """What open_clip itself gives after its stages or blocks, and at the end."""
    has_prefix = getattr(visual.trunk, "num_prefix_tokens", 0) > 0
    options = {"output_fmt": "NLC", "output_extra_tokens": True} if has_prefix else {}
    found = visual.forward_intermediates(images, **options)
    prefixes = found.get("image_intermediates_prefix", [None] * len(found["image_intermediates"]))
    inner = [
        tokens(patches) if prefix is None else torch.cat([prefix, patches], dim=1)
        for prefix, patches in zip(prefixes, found["image_intermediates"], strict=True)
    ]
    return [*inner, found["image_features"][:, None]]


def read(folder: Path) -> tuple[Any, Any, Tensor, Tensor]:
    """A tower, open_clip's own, and the same pictures for either."""
    tower = load_tower(str(folder))
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    pictures = [picture(150 + seed, 131, seed) for seed in range(3)]
    pixels = torch.stack([tower.prepare(each) for each in pictures])
    return tower, model.visual.eval(), pixels, torch.stack([preprocess(each) for each in pictures])


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if kind != "resnet"])
def test_features_of_a_trunk_are_open_clips(folders: Callable[[str], Path], kind: str) -> None:
    tower, visual, pixels, images = read(folders(kind))
    found = tapped(tower, pixels)
    with torch.inference_mode():
        expected = own_features(visual, images)
    own = [name for name in found if name not in ("stem", "layer_0")]
    assert len(own) == len(expected)
    for name, features in zip(own, expected, strict=True):
        assert torch.equal(found[name], features), name
    *inner, last = tower.layers
    assert [layer.depth for layer in inner] == sorted(layer.depth for layer in inner)
    assert (inner[0].depth, last.name, last.depth, last.channels) == (2.5, "projection", 100.0, 24)


def test_features_of_a_resnet_are_those_of_its_modules(folders: Callable[[str], Path]) -> None:
    tower, visual, pixels, images = read(folders("resnet"))
    with torch.inference_mode():
        maps = [visual.stem(images)]
        blocks = [block for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4) for block in stage]
        for block in blocks:
            maps.append(block(maps[-1].clone()))
        pooled = visual(images)[:, None]
    names = ["stem", *(f"block_{number}" for number in range(1, 6)), "projection"]
    usual = tapped(tower, pixels)
    assert [*usual] == ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "projection"]
    assert torch.equal(usual["projection"], pooled)
    for name, place in (("stem", 0), ("stage_1", 1), ("stage_2", 3), ("stage_3", 4), ("stage_4", 5)):
        assert torch.equal(usual[name], tokens(maps[place])), name
    assert [(layer.name, layer.depth, layer.tokens, layer.channels) for layer in tower.layers] == [
        ("stem", 2.5, 256, 8),
        ("stage_1", 7.5, 256, 32),
        ("stage_2", 52.5, 64, 64),  # 3 of 5 blocks: 7.5 + 90 * 2 / 4
        ("stage_3", 75.0, 16, 128),
        ("stage_4", 97.5, 4, 256),
        ("projection", 100.0, 1, 24),
    ]
    tower.layers = tower.blocks
    every = tapped(tower, pixels)
    assert [*every] == names
    assert all(torch.equal(every[name], tokens(each)) for name, each in zip(names, maps, strict=False))


def test_modules_are_named_as_open_clip_names_them(folders: Callable[[str], Path]) -> None:
    tower, visual, pixels, images = read(folders("resnet"))
    tower.layers = choose_layers(tower, ["visual", "visual.layer2.1", "layer1.0.bn3", "attnpool"])
    found = tapped(tower, pixels)
    with torch.inference_mode():
        whole = visual(images)[:, None]
        second = visual.layer2(visual.layer1(visual.stem(images)))
    assert [*found] == ["layer1.0.bn3", "visual.layer2.1", "attnpool", "visual"]
    assert torch.equal(found["visual"], whole)
    assert torch.equal(found["attnpool"], whole)
    assert torch.equal(found["visual.layer2.1"], tokens(second))
    trunk = load_tower(str(folders("convnext")))
    assert [layer.module for layer in choose_layers(trunk, ["trunk.stages.1", "visual.head"])] == [
        "model.trunk.stages.1",
        "model.head",
    ]


def test_tokens_before_the_patches_are_the_trunks(folders: Callable[[str], Path]) -> None:
    towers = {kind: load_tower(str(folders(kind))) for kind in ("registers", "eva", "swin")}
    assert {kind: (tower.has_class_token, tower.registers) for kind, tower in towers.items()} == {
        "registers": (False, 1),
        "eva": (True, 0),
        "swin": (False, 0),
    }


def test_the_image_tower_of_coca_gives_what_encode_image_does(tmp_path: Path) -> None:
    vision = TOWERS["pooled"]["vision_cfg"]
    folder = save(tmp_path, TOWERS["pooled"])
    decoder = {"width": 24, "heads": 2, "layers": 1, "context_length": 4}
    coca: Any = open_clip.CoCa(24, decoder, dict(TEXT), dict(vision))
    tower = load_tower(str(folder))
    visual: Any = tower.model
    coca.visual.load_state_dict(visual.state_dict())
    pixels = prepared(tower, 2)
    with torch.inference_mode():
        pooled = coca.eval().encode_image(tower.normalise(pixels), normalize=False)
    assert torch.equal(tapped(tower, pixels)["projection"], pooled[:, None])


def test_a_skeleton_has_the_layers_of_the_tower(folders: Callable[[str], Path]) -> None:
    for kind in ("resnet", "eva", "mobileclip"):
        empty, tower = skeleton(str(folders(kind))), load_tower(str(folders(kind)), random_init=True)
        assert (empty.layers, empty.blocks) == (tower.layers, tower.blocks)
        assert all(tensor.is_meta for tensor in empty.parameters())
        assert not any(tensor.is_meta for tensor in (*tower.parameters(), *tower.buffers()))


@pytest.mark.filterwarnings("error::alignbench.errors.AlignbenchWarning")
def test_a_bare_file_of_a_resnet_leaves_nothing_to_guess(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {"any": {"url": "", "hf_hub": "nobody/made/"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-resnet", tags)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-resnet", OTHERS["resnet"])
    folder = folders("resnet")
    tower = load_tower(f"open_clip:tiny-resnet/{folder / WEIGHTS}")
    assert tower.fingerprint == load_tower(str(folder)).fingerprint


def test_random_weights_are_open_clips_own(folders: Callable[[str], Path]) -> None:
    tower: Any = load_tower(str(folders("resnet")), random_init=True, seed=4)
    torch.manual_seed(4)
    config = OTHERS["resnet"]
    visual = open_clip.CLIP(24, dict(config["vision_cfg"]), {**TEXT, "context_length": 1, "vocab_size": 1}).visual
    assert torch.equal(tower.model.conv1.weight, visual.conv1.weight)


@pytest.mark.parametrize(
    ("trunk", "said"),
    [
        ("naflexvit_base_patch16_gap", "its number of tokens changes with the shape of a picture"),
        ("crossvit_9_240", "its part blocks.0 gives the features of several branches at once"),
    ],
)
def test_trunks_without_features_are_refused_in_a_line(tmp_path: Path, trunk: str, said: str) -> None:
    vision = {"timm_model_name": trunk, "timm_pool": "", "timm_proj": "linear", "image_size": 240}
    config = {"model_cfg": {"embed_dim": 24, "vision_cfg": vision, "text_cfg": TEXT}}
    (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(UsageError, match=rf"cannot be measured layer by layer: {said}; choose another model$"):
        skeleton(str(tmp_path))


OF_ANOTHER_SIZE = {"ViTamin-XL-384": "has pictures of 256 x 256 pixels, and its trunk takes 384 x 384"}


def alike(architecture: str) -> str:
    """What settles the image tower of an architecture."""
    config = open_clip.get_model_config(architecture)
    return json.dumps([config["embed_dim"], config["vision_cfg"]], sort_keys=True)


def test_every_architecture_of_open_clip_is_measured_or_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Towers of up to 64 blocks that are all alike have two here."""
    create, read = timm.create_model, open_clip.get_model_config

    def shallow_trunk(name: str, **options: Any) -> Any:
        return create(name, **options, **({"depth": 2} if name.startswith(("vit", "eva")) else {}))

    def shallow(name: str) -> Any:
        config = read(name)
        if isinstance(config["vision_cfg"].get("layers"), int):
            config["vision_cfg"]["layers"] = 2
        return config

    monkeypatch.setattr("open_clip.timm_model.timm.create_model", shallow_trunk)
    monkeypatch.setattr(open_clip, "get_model_config", shallow)
    (tmp_path / "weights.pt").touch()
    names = {alike(name): name for name in open_clip.list_models()}.values()
    for name in names:
        tower = f"open_clip:{name}/{tmp_path}/weights.pt"
        if name in OF_ANOTHER_SIZE:
            with pytest.raises(ModelError, match=OF_ANOTHER_SIZE[name]):
                skeleton(tower)
            continue
        layers = skeleton(tower).layers
        depths = [layer.depth for layer in layers]
        assert depths == sorted(depths), name
        assert (depths[0], depths[-1], layers[-1].name) == (2.5, 100.0, "projection"), name
        assert layers[-1].channels == open_clip.get_model_config(name)["embed_dim"], name
