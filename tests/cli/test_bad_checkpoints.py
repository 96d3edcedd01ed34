"""Checkpoints that are damaged, of another kind or nowhere are refused in one line that helps."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from command_bench import RUNNING, USAGE, Bench

FIRST_BLOCK = "vision_model.encoder.layers.0.mlp.fc1.weight"

pytestmark = pytest.mark.usefixtures("no_surroundings")


def edit_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(directory / "model.safetensors")
    change(weights)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("family", "tensor"),
    [
        ("clip", FIRST_BLOCK),
        ("clip", "visual_projection.weight"),
        ("siglip", "vision_model.head.probe"),
        ("chinese_clip", "vision_model.embeddings.class_embedding"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "wrong shape"])
def test_checkpoint_with_a_wrong_tensor_is_refused(bench: Bench, family: str, tensor: str, how: str) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        found = weights.pop(tensor)
        if how != "missing":
            weights[tensor] = torch.cat([found, found]).contiguous()

    model = bench.copy(family)
    edit_weights(model, change)
    named = tensor.removeprefix("vision_model.")
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, named)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_checkpoint_with_cut_weights_is_refused(bench: Bench, kept: float) -> None:
    model = bench.copy("clip")
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, "download")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_checkpoint_without_one_of_its_files_is_refused(bench: Bench, file: str) -> None:
    model = bench.copy("clip")
    (model / file).unlink()
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, file)


@pytest.mark.parametrize(
    "content", ['{"model_type": "clip",', "[]", "", "\0\0\0"], ids=["cut", "list", "empty", "zeros"]
)
@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_checkpoint_with_broken_json_is_refused(bench: Bench, file: str, content: str) -> None:
    model = bench.copy("clip")
    (model / file).write_text(content)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, file)


@pytest.mark.parametrize(
    "values",
    [{"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}, {"image_mean": [0.5]}],
    ids=["size", "mean"],
)
def test_checkpoint_whose_preprocessing_does_not_fit_is_refused(bench: Bench, values: dict[str, object]) -> None:
    model = bench.copy("clip")
    edit_json(model / "preprocessor_config.json", **values)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, "preprocessor_config.json")


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 605247071\n"


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_checkpoint_that_is_a_pointer_of_git_lfs_is_refused(bench: Bench, file: str) -> None:
    model = bench.copy("clip")
    (model / "model.safetensors").unlink()
    (model / file).write_text(POINTER)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, file, "git lfs pull")


def test_checkpoint_whose_pickle_wants_to_run_code_is_refused(bench: Bench) -> None:
    model = bench.copy("clip")
    (model / "model.safetensors").unlink()
    torch.save(torch.nn.Linear(2, 2), model / "pytorch_model.bin")
    outcome = bench.run("tid2013", model=model, root=bench.data("tid2013"))
    outcome.refused(RUNNING, model, "pytorch_model.bin", "wants to run code", "safetensors")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (FIRST_BLOCK, torch.ones(2, 2, dtype=torch.int8), ("quantised", "int8")),
        (f"{FIRST_BLOCK}_scale", torch.ones(1), ("quantised",)),
        ("vision_model.embeddings.registers", torch.ones(1), ("no place for", "registers")),
        ("vision_model.encoder.layers.0.mlp.fc1.lora_A.weight", torch.ones(1), ("merge the adapter",)),
    ],
)
def test_checkpoint_with_weights_that_cannot_be_used_is_refused(
    bench: Bench, name: str, value: torch.Tensor, words: tuple[str, ...]
) -> None:
    model = bench.copy("clip")
    edit_weights(model, lambda weights: weights.update({name: value}))
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, *words)


def test_what_wrappers_put_before_names_is_said(bench: Bench) -> None:
    model = bench.copy("clip")

    def wrap(weights: dict[str, torch.Tensor]) -> None:
        for key in list(weights):
            weights[f"module.{key}"] = weights.pop(key)

    edit_weights(model, wrap)
    outcome = bench.run("tid2013", model=model, root=bench.data("tid2013"))
    outcome.succeeded()
    assert any("without module. in their names" in line for line in outcome.warnings)


@pytest.mark.parametrize(
    ("kind", "words"), [("swin", ("'swin'", "siglip")), ("siglip2", ("NaFlex", "siglip2-base-patch16-224"))]
)
def test_checkpoint_of_another_type_is_refused(bench: Bench, kind: str, words: tuple[str, ...]) -> None:
    model = bench.copy("siglip")
    edit_json(model / "config.json", model_type=kind)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(USAGE, model, *words)


def test_model_that_is_nowhere_is_refused_without_network(bench: Bench) -> None:
    name = "nobody/no-such-model"
    bench.run("tid2013", model=name, root=bench.data("tid2013")).refused(RUNNING, name, "local directory")


@pytest.mark.parametrize(
    "name", ["no/such/folder", "./no-such-folder", "../none", "/none", "~/none", "none/", "weights.pt", "a/w.bin"]
)
def test_a_place_that_is_not_there_is_said_as_such(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is never asked, on line or off."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("alignbench.models.checkpoints.snapshot_download", lambda *_, **__: pytest.fail("it was asked"))
    monkeypatch.setenv("HOME", "/no-such-home")
    said = f"there is no folder or file {name.replace('~', '/no-such-home')}: check the path"
    bench.run("tid2013", model=name, root=bench.data("tid2013")).refused(RUNNING, said)
    bench.run("tid2013", "--random-init", model=name, root=bench.data("tid2013")).refused(RUNNING, said)


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("vision_model.embeddings.class_embedding", "layer_0"),
        ("vision_model.encoder.layers.1.mlp.fc2.bias", "layer_2"),
        ("visual_projection.weight", "projection"),
    ],
)
@pytest.mark.parametrize("family", ["clip", "chinese_clip"])
def test_layer_that_is_not_finite_is_named(bench: Bench, family: str, tensor: str, layer: str) -> None:
    model = bench.copy(family)
    edit_weights(model, lambda weights: weights[tensor].fill_(torch.nan))
    outcome = bench.run("tid2013", model=model, root=bench.data("tid2013"))
    outcome.refused(RUNNING, layer, ".bmp", "not finite", "checkpoint")


def test_layer_that_is_zero_has_no_cosine(bench: Bench) -> None:
    model = bench.copy("clip")
    edit_weights(model, lambda weights: weights["visual_projection.weight"].zero_())
    outcome = bench.run("tid2013", model=model, root=bench.data("tid2013"))
    outcome.refused(RUNNING, "projection", ".bmp", "cosine")
    (remedy,) = re.findall(r"--distance [a-z_,]+", outcome.complaints[0])
    bench.run("tid2013", *remedy.split(), model=model, root=bench.data("tid2013")).succeeded()
