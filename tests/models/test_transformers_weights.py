"""Weights of transformers' checkpoints: every tensor of the vision half is used, or the checkpoint is refused."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models.families import load_tower
from folders import Folders
from taps import picture, tapped
from transformers_towers import every_family

Weights = dict[str, Tensor]
SHARD = "model-0000{}-of-00002.safetensors"


@pytest.fixture
def copied(tiny_tower: Folders, tmp_path: Path) -> Folders:
    """A checkpoint of a family that a test may change."""
    return lambda family: Path(shutil.copytree(tiny_tower(family), tmp_path / family))


def change(folder: Path, changed: Callable[[Weights], Weights]) -> Path:
    save_file(changed(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    return folder


def configure(folder: Path, vision: dict[str, Any] | None = None, **values: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"] |= vision or {}
    (folder / "config.json").write_text(json.dumps(config | values))
    return folder


def check_same(folder: Path, whole: Path, projects: bool = True) -> None:
    """Compares the features of a checkpoint with those of another; weights at other addresses may cost the last bit."""
    expected = load_tower(str(whole))
    pixels = expected.prepare(picture(40, 51))[None]
    features = tapped(expected, pixels)
    found = tapped(load_tower(str(folder)), pixels)
    if not projects:
        del features["projection"]
    assert found.keys() == features.keys()
    for layer, value in features.items():
        torch.testing.assert_close(found[layer], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("family", "prefix"), [("clip", "module."), ("chinese_clip", "_orig_mod."), ("siglip", "model.clip.")]
)
def test_what_a_wrapper_puts_before_names_is_left_out_with_a_warning(
    tiny_tower: Folders, copied: Folders, family: str, prefix: str
) -> None:
    folder = change(copied(family), lambda weights: {f"{prefix}{key}": value for key, value in weights.items()})
    with pytest.warns(AlignbenchWarning, match=f"without {prefix} in their names"):
        check_same(folder, tiny_tower(family))


def test_weights_that_the_configuration_names_elsewhere_are_refused(tiny_tower: Folders, copied: Folders) -> None:
    folder = copied("clip")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"transformers_weights": "model.safetensors"}))
    check_same(folder, tiny_tower("clip"))
    (folder / "config.json").write_text(json.dumps(settings | {"transformers_weights": "other.safetensors"}))
    with pytest.raises(ModelError, match="says that its weights are in other"):
        load_tower(str(folder))


@every_family
def test_what_a_family_lists_may_be_left_over(tiny_tower: Folders, copied: Folders, family: str) -> None:
    folder = change(
        copied(family), lambda weights: weights | {"vision_model.embeddings.position_ids": torch.arange(17)[None]}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", AlignbenchWarning)
        check_same(folder, tiny_tower(family))


@pytest.mark.parametrize(
    ("family", "form"), [("clip", "bin"), ("siglip", "shards"), ("chinese_clip", "half"), ("clip", "wrapped")]
)
def test_the_form_of_the_files_does_not_matter(
    tiny_tower: Folders, copied: Folders, tmp_path: Path, family: str, form: str
) -> None:
    folder = copied(family)
    weights = load_file(folder / "model.safetensors")
    expected = tiny_tower(family)
    (folder / "model.safetensors").unlink()
    if form == "bin":
        torch.save(weights, folder / "pytorch_model.bin")
    elif form == "wrapped":
        torch.save({"model": weights, "epoch": 3}, folder / "pytorch_model.bin")
    elif form == "half":
        halves = {key: value.half() for key, value in weights.items()}
        save_file(halves, folder / "model.safetensors")
        expected = Path(shutil.copytree(folder, tmp_path / "rounded"))
        save_file({key: value.float() for key, value in halves.items()}, expected / "model.safetensors")
    else:
        save_file(weights, folder / "model.safetensors")
        sharded(folder)
    check_same(folder, expected)


def test_a_shard_that_is_not_there_is_missed(copied: Folders) -> None:
    folder = copied("clip")
    (folder / "model.safetensors").rename(folder / SHARD.format(1))
    write_index(folder, {"logit_scale": SHARD.format(1), "text_projection.weight": SHARD.format(2)})
    with pytest.raises(ModelError, match="some of the files that its index lists"):
        load_tower(str(folder))


def sharded(folder: Path) -> dict[str, str]:
    """Cut the weights into two files; returns which has what, as the index has it."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {key: SHARD.format(1 + number % 2) for number, key in enumerate(weights)}
    for shard in set(places.values()):
        save_file({key: weights[key] for key in weights if places[key] == shard}, folder / shard)
    write_index(folder, places)
    return places


def write_index(folder: Path, places: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


VISION, TEXT = "vision_model.post_layernorm.bias", "text_model.final_layer_norm.bias"


@pytest.mark.parametrize("key", [VISION, TEXT])
def test_an_index_and_its_shards_must_agree(copied: Folders, key: str) -> None:
    folder = copied("clip")
    places = sharded(folder)
    other = SHARD.format(2 if places[key].startswith("model-00001") else 1)
    without = {each: place for each, place in places.items() if each != key}
    for wrong in (places | {f"{key}.more": places[key]}, without, places | {key: other}):
        write_index(folder, wrong)
        with pytest.raises(
            ModelError, match=r"the index of the weights of \S+ and model-0000\d.* do not agree on"
        ) as said:
            load_tower(str(folder))
        assert key in str(said.value)
    write_index(folder, places)
    load_tower(str(folder))


@pytest.mark.parametrize("file", [SHARD.format(3), "model-00001-of-00003.safetensors"])
def test_a_shard_of_which_the_index_does_not_know_is_refused(copied: Folders, file: str) -> None:
    folder = copied("clip")
    sharded(folder)
    save_file({"vision_model.delta": torch.ones(2)}, folder / file)
    with pytest.raises(ModelError, match=rf"its index model.safetensors.index.json does not know \({file}\): take"):
        load_tower(str(folder))


@pytest.mark.parametrize("others", ["pickle", "shards", "index of pickles"])
def test_which_of_two_sets_of_files_is_read_is_said(tiny_tower: Folders, copied: Folders, others: str) -> None:
    folder = copied("clip")
    zeros = {key: torch.zeros_like(value) for key, value in load_file(folder / "model.safetensors").items()}
    file = {
        "pickle": "pytorch_model.bin",
        "shards": SHARD.format(1),
        "index of pickles": "pytorch_model.bin.index.json",
    }
    if others == "pickle":
        torch.save(zeros, folder / "pytorch_model.bin")
    elif others == "shards":
        save_file(zeros, folder / SHARD.format(1))
        write_index(folder, dict.fromkeys(zeros, SHARD.format(1)))
    else:
        torch.save(zeros, folder / "pytorch_model-00001-of-00001.bin")
        (folder / file[others]).write_text(json.dumps({"weight_map": dict.fromkeys(zeros, "pytorch_model-1.bin")}))
    said = rf"are read from model\.safetensors, as transformers does, and not from .*{file[others]}.*: keep those alone"
    with pytest.warns(AlignbenchWarning, match=said):
        tower = load_tower(str(folder))
    assert tower.fingerprint != load_tower(str(tiny_tower("clip"))).fingerprint
    with pytest.warns(AlignbenchWarning, match=said):
        check_same(folder, tiny_tower("clip"))
    plain = transformers.CLIPModel.from_pretrained(folder)
    assert plain.vision_model.post_layernorm.weight.any(), "transformers reads the same"


@pytest.mark.parametrize("with_its_weights", [False, True])
def test_siglip_without_a_head_has_no_projection(tiny_tower: Folders, copied: Folders, with_its_weights: bool) -> None:
    folder = configure(copied("siglip"), {"vision_use_head": False})
    if not with_its_weights:
        change(folder, lambda weights: {key: value for key, value in weights.items() if ".head." not in key})
    check_same(folder, tiny_tower("siglip"), projects=False)
    assert load_tower(str(folder), random_init=True).layers[-1].name != "projection"


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_how_attention_is_computed_is_not_the_checkpoints_to_say(
    tiny_tower: Folders, copied: Folders, key: str
) -> None:
    folder = configure(copied("clip"), {key: "flash_attention_2"}, **{key: "flash_attention_2"})
    check_same(folder, tiny_tower("clip"))
    own: Any = load_tower(str(folder))
    assert own.model.config._attn_implementation == "sdpa"
    load_tower(str(folder), random_init=True)


@pytest.mark.parametrize("family", ["clip", "chinese_clip"])
def test_random_weights_are_in_single_precision_whatever_the_checkpoint_has(copied: Folders, family: str) -> None:
    folder = configure(copied(family), {"dtype": "float16"}, dtype="float16")
    tower = load_tower(str(folder), random_init=True)
    assert {value.dtype for value in tower.state_dict().values()} == {torch.float32}


def without_layers(folder: Path) -> None:
    configure(folder, {"num_hidden_layers": 1})


def with_registers(folder: Path) -> None:
    change(folder, lambda weights: weights | {"vision_model.embeddings.register_tokens": torch.zeros(4, 32)})


def with_integers(folder: Path) -> None:
    key = "vision_model.encoder.layers.0.mlp.fc1.weight"
    change(folder, lambda weights: weights | {key: weights[key].to(torch.int8)})


def with_an_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def with_another_familys_names(folder: Path) -> None:
    change(folder, lambda _: {"visual.transformer.resblocks.0.ln_1.weight": torch.zeros(3)})


def with_a_foreign_prefix(folder: Path) -> None:
    change(folder, lambda weights: {f"vision_tower.{key}": value for key, value in weights.items()})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_layers, "weights of the vision tower that its configuration has no place for"),
        (with_registers, r"no place for \(vision_model\.embeddings\.register_tokens\)"),
        (with_integers, "quantised .*is int8"),
        (lambda folder: configure(folder, quantization_config={"quant_method": "gptq"}), "quantization_config"),
        (lambda folder: configure(folder, {"quantization_config": {"quant_method": "awq"}}), "quantization_config"),
        (
            lambda folder: configure(folder, vision_config_dict={"image_size": 32, "quantization_config": {"bits": 4}}),
            "quantization_config",
        ),
        (with_an_adapter, "merge it into the model first"),
        (with_another_familys_names, "open_clip's with its own transformer"),
        (with_a_foreign_prefix, r"begin with vision_tower\."),
    ],
)
def test_a_checkpoint_whose_weights_are_not_all_used_is_refused(
    copied: Folders, damage: Callable[[Path], object], said: str
) -> None:
    folder = copied("clip")
    damage(folder)
    with pytest.raises(ModelError, match=said) as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)


def test_the_projection_may_be_left_over_by_a_tower_without_one(tiny_tower: Folders, copied: Folders) -> None:
    folder = copied("clip")
    whole = transformers.CLIPConfig.from_pretrained(folder)
    vision: Any = whole.vision_config
    vision.architectures = ["CLIPVisionModel"]
    vision.save_pretrained(folder)
    check_same(folder, tiny_tower("clip"), projects=False)


_HEAD = "vision_model.head.mlp.fc1.weight"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({f"{_HEAD}_scale": torch.tensor([1 / 512])}, rf"is quantised \({_HEAD}_scale\)"),
        ({"vision_model.head.mlp.fc1.SCB": torch.ones(2)}, r"is quantised \(vision_model\.head\.mlp\.fc1\.SCB\)"),
        ({"vision_model.head.gate": torch.ones(2)}, r"no place for \(vision_model\.head\.gate\)"),
        (
            {"vision_model.head.mlp.fc3.weight": torch.ones(2, 2)},
            r"no place for \(vision_model\.head\.mlp\.fc3\.weight\)",
        ),
    ],
)
def test_nothing_in_a_pooling_head_that_is_used_is_left_over(
    copied: Folders, more: dict[str, torch.Tensor], said: str
) -> None:
    folder = change(copied("siglip"), lambda weights: weights | {_HEAD: (512 * weights[_HEAD]).round()} | more)
    with pytest.raises(ModelError, match=said):
        load_tower(str(folder))


def test_a_pooling_head_is_left_over_by_a_tower_without_one(tiny_tower: Folders, copied: Folders) -> None:
    folder = copied("siglip")
    settings = json.loads((folder / "config.json").read_text())
    settings["vision_config"]["vision_use_head"] = False
    (folder / "config.json").write_text(json.dumps(settings))
    check_same(folder, tiny_tower("siglip"), projects=False)
