"""Configurations of transformers: what settles the tower is followed or refused, and the rest is of no account."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from alignbench.errors import ModelError, UsageError
from alignbench.models.cards import cards
from alignbench.models.families import load_tower, preparation, skeleton
from alignbench.models.transformers_config import card_config, config_values, read_config
from folders import Folders
from taps import picture, tapped
from transformers_towers import every_family


@pytest.fixture
def copied(tiny_tower: Folders, tmp_path: Path) -> Folders:
    """A checkpoint of a family that a test may change."""
    return lambda family: Path(shutil.copytree(tiny_tower(family), tmp_path / family))


def configure(folder: Path, vision: dict[str, Any] | None = None, **values: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"] |= vision or {}
    (folder / "config.json").write_text(json.dumps(config | values))
    return folder


def alone(folder: Path, **values: Any) -> Path:
    """Leave the vision tower's own configuration alone in the file."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config["vision_config"] | values))
    return folder


# What a configuration of transformers may say, of the outputs' form, of training, or of how numbers are worked out.
OF_NO_ACCOUNT: dict[str, Any] = {
    **{"return_dict": False, "use_return_dict": False, "output_attentions": True, "output_hidden_states": True},
    **{"torchscript": True, "use_cache": False, "gradient_checkpointing": True, "tie_word_embeddings": True},
    **{"tie_last_hidden_states": True, "chunk_size_feed_forward": 1, "dtype": "float16", "torch_dtype": "bfloat16"},
    **{"attention_dropout": 0.5, "dropout": 0.5, "hidden_dropout_prob": 0.5, "attn_implementation": "eager"},
    **{"is_decoder": True, "is_encoder_decoder": True, "problem_type": "regression", "num_labels": 7},
    **{"id2label": {"0": "a"}, "pruned_heads": {}, "per_layer_config": {}, "unheard_of": [1]},
}


@every_family
@pytest.mark.parametrize("place", ["config", "vision_config"])
def test_what_settles_no_number_is_of_no_account(tiny_tower: Folders, copied: Folders, family: str, place: str) -> None:
    folder = copied(family)
    configure(folder, **OF_NO_ACCOUNT) if place == "config" else configure(folder, OF_NO_ACCOUNT)
    expected, found = load_tower(str(tiny_tower(family))), load_tower(str(folder))
    pixels = expected.prepare(picture(40, 51))[None]
    features = tapped(expected, pixels)
    for layer, value in tapped(found, pixels).items():
        torch.testing.assert_close(value, features[layer], rtol=1e-5, atol=1e-6)
    drawn = [tapped(load_tower(str(each), random_init=True), pixels) for each in (folder, tiny_tower(family))]
    assert all(torch.equal(value, drawn[1][layer]) for layer, value in drawn[0].items())


@pytest.mark.parametrize("key", sorted(OF_NO_ACCOUNT))
def test_a_tower_alone_is_as_little_changed(copied: Folders, key: str) -> None:
    folder = alone(copied("clip"), architectures=["CLIPVisionModel"])
    expected = read_config("m", folder).to_dict()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: OF_NO_ACCOUNT[key]}))
    if key == "attention_dropout":
        expected[key] = 0.5  # which is for training alone
    assert read_config("m", folder).to_dict() == expected


@pytest.mark.parametrize(
    ("vision", "said"),
    [
        ({"pruned_heads": {"0": [1]}}, r"pruned_heads is \{\"0\": \[1\]\}, and not empty"),
        ({"per_layer_config": {"0": {"layer_norm_eps": 0.1}}}, "per_layer_config is .* not empty"),
        ({"hidden_size": "32"}, 'hidden_size is "32", and not a whole number'),
        ({"hidden_size": 32.0}, r"hidden_size is 32\.0"),
        ({"num_hidden_layers": True}, "num_hidden_layers is true"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_hidden_layers": 100_000}, "num_hidden_layers is 100000, and not a whole number from 1 to 128"),
        ({"hidden_size": 1_000_000}, "hidden_size is 1000000"),
        ({"intermediate_size": 10**9}, "intermediate_size"),
        ({"projection_dim": 10**9}, "projection_dim"),
        ({"num_attention_heads": -1}, "num_attention_heads"),
        ({"image_size": 1_000_000}, "image_size is 1000000, and not a whole number from 1 to 8192"),
        ({"image_size": "32"}, "image_size"),
        ({"image_size": None}, "image_size is null"),
        ({"image_size": [32, 32]}, "image_size"),
        ({"patch_size": 0}, "patch_size"),
        ({"patch_size": 64}, "patches of 64 pixels in pictures of 32"),
        ({"num_channels": 1}, "num_channels is 1"),
        ({"layer_norm_eps": -1e-5}, "layer_norm_eps"),
        ({"layer_norm_eps": "1e-5"}, 'layer_norm_eps is "1e-5"'),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is NaN"),
        ({"hidden_act": "gelux"}, 'hidden_act is "gelux", and not an activation of transformers'),
        ({"hidden_act": ["gelu"]}, "hidden_act"),
        ({"attention_dropout": "0"}, "attention_dropout"),
        ({"vision_use_head": "false"}, 'vision_use_head is "false", and not true or false'),
    ],
)
@pytest.mark.parametrize("place", ["vision_config", "vision_config_dict", "alone"])
def test_what_cannot_be_followed_is_named_before_anything_is_built(
    copied: Folders, monkeypatch: pytest.MonkeyPatch, vision: dict[str, Any], said: str, place: str
) -> None:
    monkeypatch.setattr(torch.nn.Linear, "__init__", lambda *_, **__: pytest.fail("it was built"))
    folder = copied("clip")
    if place == "alone":
        alone(folder, **vision)
    elif place == "vision_config_dict":
        whole = json.loads((folder / "config.json").read_text())["vision_config"]
        configure(folder, vision_config_dict=whole | vision)
    else:
        configure(folder, vision)
    attempts: list[Callable[[str], object]] = [load_tower, lambda name: load_tower(name, random_init=True)]
    for attempt in (*attempts, preparation, skeleton):
        with pytest.raises(ModelError, match=rf"config\.json of \S+ .*{said}") as refused:
            attempt(str(folder))
        assert "\n" not in str(refused.value)
        assert place == "alone" or "patches" in said or place in str(refused.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"vision_config": [1]}, "vision_config is"),
        ({"vision_config_dict": "x"}, "vision_config_dict"),
        ({"text_config_dict": "x"}, "text_config_dict"),
        ({"text_config": {"vocab_size": 10**12}}, "vocab_size"),
        ({"text_config": "x"}, "text_config"),
        ({"projection_dim": "24"}, "projection_dim"),
        ({"logit_scale_init_value": "2"}, "logit_scale_init_value"),
        ({"architectures": "ChineseCLIPModel"}, "architectures"),
    ],
)
def test_the_whole_is_of_its_kinds_too(copied: Folders, values: dict[str, Any], said: str) -> None:
    folder = configure(copied("chinese_clip"), **values)
    with pytest.raises(ModelError, match=rf"config\.json of \S+ cannot be followed .*{said}"):
        load_tower(str(folder))


@pytest.mark.parametrize("family", ["clip", "chinese_clip"])
def test_the_older_place_of_values_is_followed_as_by_transformers(copied: Folders, family: str) -> None:
    folder = copied(family)
    vision = json.loads((folder / "config.json").read_text())["vision_config"]
    configure(folder, vision_config_dict=vision | {"layer_norm_eps": 0.25})
    assert transformers.AutoConfig.from_pretrained(folder).vision_config.layer_norm_eps == 0.25
    assert read_config("m", folder).vision_config.layer_norm_eps == 0.25


def test_a_tower_that_no_machine_holds_is_not_drawn(copied: Folders) -> None:
    large = {"hidden_size": 2**15, "intermediate_size": 2**17, "num_hidden_layers": 128, "num_attention_heads": 2**5}
    folder = configure(copied("siglip"), large)
    with pytest.raises(ModelError, match=r"weights of .* would take \d+ GiB, and this machine has"):
        load_tower(str(folder), random_init=True)
    with pytest.raises(ModelError, match=r"lacks .* weights or has them in another shape"):
        load_tower(str(folder))


def test_a_pipe_is_said_to_be_one(copied: Folders) -> None:
    folder = copied("clip")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json: give"):
        load_tower(str(folder))
    os.mkfifo(folder / "config.json")
    for attempt in (lambda: load_tower(str(folder)), lambda: config_values(folder)):
        with pytest.raises(ModelError, match=r"config\.json cannot be read \(a named pipe, where a file belongs\)"):
            attempt()
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(ModelError, match=r"config\.json cannot be read \(a folder, where a file belongs\)"):
        load_tower(str(folder))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("siglip2", "NaFlex"), ("bert", "is of type 'bert'"), (["clip"], r"is of type '\['clip'\]'"), (None, "'None'")],
)
def test_other_types_are_named(copied: Folders, kind: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_config("m", configure(copied("clip"), model_type=kind))


def test_cards_are_what_transformers_makes_of_their_values() -> None:
    card = cards()["openai/clip-vit-large-patch14"]
    config = card_config(card)
    assert config.projection_dim == config.vision_config.projection_dim == 768
    assert config.vision_config.num_hidden_layers == 24
