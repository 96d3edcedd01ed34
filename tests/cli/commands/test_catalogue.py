"""`alignbench models` and `alignbench datasets` list what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.models.cards import cards
from alignbench.models.families import FAMILIES
from alignbench.models.pair_metrics import METRICS
from alignbench.transforms.published import PUBLISHED
from layouts import write_nights


def test_models_lists_every_card_and_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    for name in [*cards(), "pixels"]:
        assert name in shown


def test_the_models_of_a_family_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--family", "timm", "--filter", "vit_base_patch16_224.m*"]) == 0
    assert capsys.readouterr().out == "timm:vit_base_patch16_224.mae\n"
    assert main(["models", "--family", "torchvision", "--filter", "alexnet", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == [{"name": "torchvision:alexnet", "kind": "model", "family": "torchvision"}]
    assert main(["models", "--filter", "vit*"]) == 2
    assert capsys.readouterr().err == "alignbench: --filter is for the models of one family: give --family as well\n"


def test_datasets_lists_every_set_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    for name in DATASETS.names():
        assert name in shown
    assert "simulated" in shown


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_models_are_told_to_programs_with_their_factors(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "models")
    by_kind = {kind: [row["name"] for row in rows if row["kind"] == kind] for kind in ("model", "baseline", "family")}
    assert by_kind == {"model": list(cards()), "baseline": METRICS.names(), "family": FAMILIES.names()}
    large = next(row for row in rows if row["name"] == "openai/clip-vit-large-patch14-336")
    assert (large["patch_size"], large["image_size"], large["family"], large["loss"]) == (14, 336, "clip", "softmax")


def test_data_sets_are_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "datasets")
    assert [row["name"] for row in rows] == DATASETS.names()
    nights = next(row for row in rows if row["name"] == "nights")
    assert (nights["level"], nights["default_subset"]) == ("middle", "all")
    assert {"test", "train", "val"} <= set(nights["subsets"])


def test_what_is_there_is_told_to_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = told(capsys, "datasets", "check", "shapes-low")
    assert (whole["name"], whole["complete"]) == ("shapes-low", True)
    assert any("1,000 ratings" in line for line in whole["lines"])
    write_nights(tmp_path, triplets=3)
    min((tmp_path / "ref").rglob("*.png")).unlink()
    assert main(["datasets", "check", "nights", "--data-root", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["complete"] is False


def test_published_transforms_are_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row.pop("name"): row for row in told(capsys, "transform", "list")}
    assert list(rows) == list(PUBLISHED)
    models = ["torchvision:resnet50", "torchvision:resnet50/IMAGENET1K_V2"]
    about = {"module": "avgpool", "width": 2048, "models": models, "supervised": True, "cropped": False}
    assert rows["resnet50"] == about


def test_the_layers_of_a_model_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "torchvision:resnet18"]) == 0
    shown = capsys.readouterr().out
    for text in ("stage_4", "97.5", "3,136", "layer4", "fc (what it is given)", "11,689,512", "3.6 GFLOP a picture"):
        assert text in shown
    assert "224 x 224 pixels; preparation: shortest side to 256, bilinear, central square of 224" in shown
    assert "class token: no; registers: 0" in shown
    assert "projection: average over the last map, which the classifier is given" in shown


def test_the_layers_of_a_model_are_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "torchvision:resnet18", "--layers", "blocks,fc", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [layer["name"] for layer in found["layers"]]
    assert names == ["stem", *(f"block_{number}" for number in range(1, 9)), "fc", "projection"]
    assert found["layers"][-2] == {
        **{"name": "fc", "depth": 100.0, "tokens": 1, "channels": 1000},
        **{"module": "fc", "is_input": False},
    }
    assert (found["parameters"], found["height"], found["class_token"]) == (11_689_512, 224, False)


def test_models_that_have_no_layers_to_show_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "pixels"]) == 2
    assert "pixels is a baseline, which has no layers" in capsys.readouterr().err
    assert main(["models", "show", "torchvision:resnet18", "--layers", "layer5"]) == 2
    assert "unknown layer 'layer5': did you mean layer4" in capsys.readouterr().err
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name": "torchvision", "kind": "family", "package": None} in rows


def test_a_model_that_hands_weights_to_a_module_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "timm:test_vit3", "--json"]) == 0, "its pooling asks with a learned latent"
    found = json.loads(capsys.readouterr().out)
    assert found["layers"][-1]["name"] == "projection"
    assert found["flops"] > 0
