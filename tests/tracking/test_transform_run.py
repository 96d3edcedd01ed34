"""A folder of learned transforms is logged layer by layer, with the tables that it has and the files that it holds."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from alignbench.tracking.transform_run import log_learned
from alignbench.transforms.learning.folder import CEILING_COLUMNS
from wandb_runs import Logged, isolate

BEFORE, AFTER = {"layer_2": 0.4, "projection": 0.45}, {"layer_2": 0.6, "projection": 0.55}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two transforms, with losses by epoch and no search."""
    folder = tmp_path_factory.mktemp("transforms") / "my--clip__things__glocal__0123abcd"
    folder.mkdir()
    told = {"model": "my/clip", "dataset": "things", "objective": "glocal", "similarity": "cosine", "tokens": "cls"}
    rows = [
        dict.fromkeys(CEILING_COLUMNS, 0.5)
        | told
        | {"subset": "trainset", "layer": layer, "depth": depth, "before": BEFORE[layer], "after": AFTER[layer]}
        | {"difference": AFTER[layer] - BEFORE[layer], "held_out_loss": 1.25, "n": 12, "objects": 9}
        for layer, depth in (("layer_2", 43.5), ("projection", 100.0))
    ]
    pd.DataFrame(rows, columns=list(CEILING_COLUMNS)).to_csv(folder / "ceiling.csv", index=False)
    (folder / "learned.json").write_text(json.dumps({"settings": {"folds": 3, "objective": "glocal"}}))
    pd.DataFrame({"layer": ["layer_2"] * 2, "epoch": [0, 1], "loss": [1.5, 1.25]}).to_csv(
        folder / "epochs.csv", index=False
    )
    for layer in BEFORE:
        (folder / f"{layer}.safetensors").write_bytes(layer.encode())
    Image.new("RGB", (2, 1), "red").save(folder / "ceiling.png")
    return folder


@pytest.fixture(scope="module")
def logged(learned: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    import wandb

    wandb.teardown()
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        yield Logged(log_learned(learned))
        wandb.teardown()


def test_each_layer_is_a_point_over_depth_and_a_line_of_the_summary(logged: Logged) -> None:
    steps = [item for item in logged.history if "depth" in item]
    assert [item["depth"] for item in steps] == [43.5, 100.0]
    expected = {
        "zero_shot": [0.4, 0.45],
        "aligned": [0.6, 0.55],
        "gain": [0.2, 0.1],
        "held_out_loss": [1.25, 1.25],
    }
    for name, values in expected.items():
        assert [item[f"transform/{name}"] for item in steps] == pytest.approx(values)
        found = [logged.state["summary"][f"transform/{name}/{layer}"] for layer in BEFORE]
        assert found == pytest.approx(values)
    assert logged.state["summary"]["transform/aligned"]["max"] == pytest.approx(0.6), "the highest of all layers"


def test_the_run_is_named_and_grouped_by_what_was_learned(logged: Logged) -> None:
    (run,) = logged.of("run")
    assert logged.state["name"] == "my/clip on THINGS: glocal"
    assert (run["project"], run["run_group"], run["job_type"]) == ("alignbench", "things", "transform")
    config = logged.state["config"]
    assert (config["folds"], config["objective"]) == (3, "glocal")
    assert config["folder"] == "my--clip__things__glocal__0123abcd"


def test_the_tables_are_those_of_the_folder_and_a_missing_one_is_left_out(logged: Logged, learned: Path) -> None:
    assert logged.table("epochs").to_numpy().tolist() == [["layer_2", 0, 1.5], ["layer_2", 1, 1.25]]
    assert logged.table("ceiling")["layer"].tolist() == list(BEFORE)
    assert "trials" not in logged.state["summary"]
    figure = logged.state["summary"]["figures/ceiling"]["path"]
    assert (logged.folder / "files" / figure).read_bytes() == (learned / "ceiling.png").read_bytes()


def test_transforms_ceiling_and_record_are_one_artifact(logged: Logged, learned: Path) -> None:
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "transform"]
    assert artifact["name"] == learned.name
    names = ("ceiling.csv", "layer_2.safetensors", "learned.json", "projection.safetensors")
    digests = {name: base64.b64encode(hashlib.md5((learned / name).read_bytes()).digest()).decode() for name in names}
    assert {entry["path"]: entry["digest"] for entry in artifact["manifest"]["contents"]} == digests
