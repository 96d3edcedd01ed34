"""Configurations of open_clip: every value that is read is of its kind, or named with what it should be."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from alignbench.errors import ModelError
from alignbench.models.families import check_name, load_tower, preparation, skeleton
from alignbench.models.openclip_config import read_config
from openclip_towers import CONFIG, TOWERS, copy

pytestmark = pytest.mark.usefixtures("no_text_tower_and_no_network")


def written(folder: Path, part: str, values: dict[str, Any], kind: str = "own") -> Path:
    """A folder with a configuration in which values of a part are others."""
    model: dict[str, Any] = json.loads(json.dumps(TOWERS[kind]))
    config: dict[str, Any] = {"model_cfg": model, "preprocess_cfg": {}}
    place = {"": config, "model_cfg": model, "preprocess_cfg": config["preprocess_cfg"]}.get(part)
    (model[part] if place is None else place).update(values)
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def refuses(folder: Path, said: str) -> None:
    """Whatever asks about the model is answered alike, before anything is built."""
    attempts: list[Callable[[str], object]] = [load_tower, lambda name: load_tower(name, random_init=True)]
    for attempt in (*attempts, preparation, skeleton, lambda name: check_name(f"open_clip:{name}")):
        with pytest.raises(ModelError, match=said) as refused:
            attempt(str(folder))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("part", "key", "values"),
    [
        ("", "model_cfg", ([1], None, "x")),
        ("", "preprocess_cfg", ([1], "x", True)),
        ("model_cfg", "quick_gelu", ("false", "true", 0, 1, None)),
        ("model_cfg", "embed_dim", ("24", 24.0, True, 0, 10**9, None)),
        ("model_cfg", "vision_cfg", ([], None)),
        ("model_cfg", "text_cfg", ("x", [1])),
        ("text_cfg", "hf_model_name", (["BiomedNLP-PubMedBERT"], 3)),
        ("vision_cfg", "layers", ("3", 3.0, 0, 100_000, [1, 2], [1, 1, 1, 10**6])),
        ("vision_cfg", "width", ("32", 1_000_000, -32)),
        ("vision_cfg", "head_width", (0, "8")),
        ("vision_cfg", "patch_size", (0, "8", 8.0, [8, "8"])),
        ("vision_cfg", "image_size", (1_000_000, "32", [32], [32, 10**9], 0)),
        ("vision_cfg", "mlp_ratio", ("2", 0, -1, 1e9, float("nan"))),
        ("vision_cfg", "ls_init_value", ("0.1", -1)),
        ("vision_cfg", "patch_dropout", ("0", 2)),
        ("vision_cfg", "attn_pooler_queries", (10**9, "256")),
        *(
            ("vision_cfg", key, ("false", 0, None))
            for key in ("attentional_pool", "no_ln_pre", "final_ln_after_pool", "qk_norm", "scale_heads", "scale_fc")
        ),
        ("vision_cfg", "attentional_pool", ("true", "all")),
        ("vision_cfg", "pool_type", (None, 1, "max")),
        ("vision_cfg", "pos_embed_type", (None, "rotary")),
        ("vision_cfg", "block_type", ("other", 1)),
        ("vision_cfg", "timm_model_name", (["vit"], "hf-hub:nobody/tower", "local-dir:/tmp")),
        ("vision_cfg", "timm_proj_bias", ("false",)),
        ("vision_cfg", "norm_kwargs", ([1], "x")),
        ("preprocess_cfg", "mean", ([0.5, 0.5], [float("nan"), 0, 0], [], 0, "grey", ["0"] * 3, [True, 0, 0])),
        ("preprocess_cfg", "std", ([0.0, 1, 1], [-0.5, 0.5, 0.5], [], 0, -1, [1] * 4)),
        ("preprocess_cfg", "interpolation", ("magic", 3, "")),
        ("preprocess_cfg", "resize_mode", ("stretch", 0, "")),
        ("preprocess_cfg", "mode", ("L", 1)),
        ("preprocess_cfg", "fill_color", ("black", -1, 256, 0.5)),
    ],
)
def test_values_of_another_kind_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, key: str, values: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(torch.nn.Linear, "__init__", lambda *_, **__: pytest.fail("it was built"))
    for value in values:
        folder = written(tmp_path, part, {key: value})
        within = rf"^{part} in {CONFIG} of" if part else rf"^{CONFIG} of"
        refuses(folder, rf"{within} \S+ cannot be followed \(its {key} is .*, and not .*\): correct it")


@pytest.mark.parametrize("eps", [0, -1e-5, "1e-5", float("nan")])
def test_what_norms_are_made_with_is_looked_at(tmp_path: Path, eps: Any) -> None:
    refuses(
        written(tmp_path, "vision_cfg", {"norm_kwargs": {"eps": eps}}), rf"^norm_kwargs in {CONFIG} of .*its eps is"
    )


@pytest.mark.parametrize("part", ["model_cfg", "embed_dim", "vision_cfg"])
def test_what_has_to_be_there_is_missed(tmp_path: Path, part: str) -> None:
    config: dict[str, Any] = {"model_cfg": dict(TOWERS["own"])}
    (config if part == "model_cfg" else config["model_cfg"]).pop(part)
    (tmp_path / CONFIG).write_text(json.dumps(config))
    refuses(tmp_path, rf"{CONFIG} of \S+ cannot be followed \(its {part} is null, and not")


@pytest.mark.parametrize("kind", list(TOWERS))
def test_every_kind_of_tower_is_within_its_bounds(folders: Callable[[str], Path], kind: str) -> None:
    config = read_config("m", folders(kind) / CONFIG)
    assert config["model_cfg"] == TOWERS[kind]


def test_every_configuration_that_open_clip_ships_is_within_the_bounds(tmp_path: Path) -> None:
    names = open_clip.list_models()
    assert len(names) > 100
    for name in names:
        config = open_clip.get_model_config(name)
        if "vision_cfg" in config:
            (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config}))
            assert read_config(name, tmp_path / CONFIG)["model_cfg"]["embed_dim"] == config["embed_dim"]


@pytest.mark.parametrize(
    "values", [{"mean": None, "std": None}, {"mean": 0.5, "std": 0.25}, {"fill_color": [1, 2, 3]}, {"size": "anything"}]
)
def test_what_open_clip_follows_or_leaves_out_is_followed(tmp_path: Path, values: dict[str, Any]) -> None:
    tower: Any = load_tower(str(written(tmp_path, "preprocess_cfg", values)), random_init=True)
    white = tower.normalise(torch.full((1, 3, 1, 1), 255)).flatten()
    if values.get("mean"):
        assert torch.equal(white, torch.full((3,), 2.0))  # (1 - 0.5) / 0.25
    else:
        expected = [(1 - 0.48145466) / 0.26862954, (1 - 0.4578275) / 0.26130258, (1 - 0.40821073) / 0.27577711]
        torch.testing.assert_close(white, torch.tensor(expected), rtol=1e-6, atol=0)


def test_a_tower_that_no_machine_holds_is_not_drawn(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    written(folder, "vision_cfg", {"width": 2**15, "head_width": 2**10, "layers": 128})
    with pytest.raises(ModelError, match=r"weights of .* would take \d+ GiB, and this machine has"):
        load_tower(str(folder), random_init=True)
    with pytest.raises(ModelError, match=r"lacks .* weights or has them in another shape"):
        load_tower(str(folder))


@pytest.mark.parametrize("prefix", ["", "open_clip:"])
def test_a_pipe_is_said_to_be_one(folders: Callable[[str], Path], tmp_path: Path, prefix: str) -> None:
    folder = copy(folders, "own", tmp_path)
    (folder / CONFIG).unlink()
    os.mkfifo(folder / CONFIG)
    with pytest.raises(ModelError, match=rf"{CONFIG} of \S+ cannot be followed \(a named pipe, where a file belongs\)"):
        load_tower(f"{prefix}{folder}")


@pytest.mark.parametrize("part", ["", "model_cfg", "vision_cfg", "text_cfg", "preprocess_cfg"])
def test_a_configuration_that_says_quantised_is_refused(tmp_path: Path, part: str) -> None:
    folder = written(tmp_path, part, {"quantization_config": {"bits": 4}})
    refuses(folder, rf"is quantised \(quantization_config in {CONFIG}\): give the unquantised one")
