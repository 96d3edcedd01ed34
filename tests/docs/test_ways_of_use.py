"""Three ways of use from end to end: a study of two models, checkpoints of a training run, and a laptop with Python."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from alignbench.cli.main import main
from patience import PATIENCE
from wandb_client import swept_by_clients
from wandb_runs import read_logged
from wandb_server import SweepServer

DATA_SETS = ("tid2013", "nights", "things")
HEAD = {"program": "alignbench", "method": "grid", "command": ["alignbench", "run", "${args}"]}

pytestmark = pytest.mark.slow


@pytest.fixture
def checkpoints(tiny_tower: Callable[[str], Path], tmp_path: Path) -> list[Path]:
    """Two checkpoints of one name, as a training run leaves them."""
    folders = [tmp_path / "run-7" / f"step-{step}" / "checkpoint" for step in (1000, 2000)]
    for seed, folder in enumerate(folders):
        shutil.copytree(tiny_tower("clip"), folder)
        weights = load_file(folder / "model.safetensors")
        generator = torch.Generator().manual_seed(seed)
        noised = {
            name: value + 0.1 * torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
            for name, value in weights.items()
        }
        save_file(noised, folder / "model.safetensors", {"format": "pt"})
    return folders


def test_two_models_of_ones_own_are_compared_in_a_sentence_and_a_table(
    checkpoints: list[Path], data_root: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    for name in DATA_SETS:
        (tmp_path / "data" / name).symlink_to(data_root(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("ALIGNBENCH_DATA", "data")
        for folder, label in zip(checkpoints, ("mine", "yours"), strict=True):
            run = ("run", "--model", folder, "--label", label, "--dataset", ",".join(DATA_SETS), "--wandb", "off")
            assert main([*map(str, run)]) == 0, capsys.readouterr().err
        capsys.readouterr()
        assert main(["compare", "mine", "yours"]) == 0, capsys.readouterr().err
        said = capsys.readouterr().out.splitlines()
        assert main(["report", "runs", "--output", "table.tex", "--bibtex"]) == 0, capsys.readouterr().err
    shown = {"tid2013": "TID2013", "nights": "NIGHTS", "things": "THINGS"}
    for sentence, name in zip(said[-3:], DATA_SETS, strict=True):
        assert sentence.startswith(f"projection, normalised Euclidean, {shown[name]}"), sentence
        scores = [projection_of(tmp_path / "runs", label, name) for label in ("mine", "yours")]
        side, size = re.search(r"mine (above|below|equal to|level with) yours(?: by ([\d.]+))?", sentence).groups()
        difference = scores[0] - scores[1]
        assert abs(difference) == pytest.approx(float(size or 0.0), abs=0.0006), sentence
        assert side == ("above" if difference > 0 else "below") or abs(difference) < 0.0006
        assert re.search(r": (not )?separable", sentence), sentence
    table = (tmp_path / "table.tex").read_text()
    assert r"\begin{tabular}" in table
    assert all(f"{label} &" in table for label in ("mine", "yours"))
    assert "@" in (tmp_path / "table.bib").read_text()


def projection_of(runs: Path, label: str, dataset: str) -> float:
    """The score of the projection, read without the package."""
    (folder,) = runs.glob(f"{label}__{dataset}__*")
    with (folder / "curve.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] in ("spearman", "accuracy")]
    subset = rows[0]["subset"]
    wanted = (subset, "normalized_euclidean", "projection")
    [value] = [row["value"] for row in rows if (row["subset"], row["distance"], row["layer"]) == wanted]
    return float(value)


LAPTOP = """
import alignbench

assert "shapes-low" in alignbench.list_datasets()
assert "shapes-clip" in alignbench.list_models()
curve = alignbench.measure("shapes-clip", "shapes-low", limit=60)
assert "shapes-clip" in repr(curve) and "<table" in curve._repr_html_()
curve.plot().savefig("curve.png")
for model in ("shapes-clip", "pixels"):
    alignbench.run(alignbench.Cell(model, "shapes-low", limit=60))
runs = alignbench.load("runs")
assert sorted(runs.labels) == ["pixels", "shapes-clip"] and "<table" in runs._repr_html_()
runs.plot().savefig("runs.png")
print(alignbench.compare("shapes-clip", "pixels").summary())
print(alignbench.compare(runs["shapes-clip"][0], runs["pixels"][0]).summary())
try:
    alignbench.measure("shapes-clip", "tid2013")
except alignbench.AlignbenchError as error:
    print(error)
"""


def test_a_laptop_with_python_alone_measures_plots_and_compares(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "ALIGNBENCH"))}
    done = subprocess.run(
        [sys.executable, "-c", LAPTOP],
        cwd=tmp_path,
        env={**environment, "HOME": str(tmp_path), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    by_label, by_run, refusal = done.stdout.strip().splitlines()
    assert by_label == by_run
    assert re.match(r"projection, .*shapes-low.*: shapes-clip (above|below) pixels by [\d.]+ \(", by_label)
    assert "data_root" in refusal
    assert "--" not in refusal
    assert done.stderr == "", "no bar where nobody looks"
    for name in ("curve.png", "runs.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300


def test_checkpoints_of_a_training_run_are_grouped_by_their_step(checkpoints: list[Path], tmp_path: Path) -> None:
    for step, folder in zip((1000, 2000), checkpoints, strict=True):
        (folder / "alignbench.toml").write_text(f'label = "step {step}"\n[factors]\nstep = {step}\n')
    parameters = {
        "model": {"values": [str(folder) for folder in checkpoints]},
        "dataset": {"value": "shapes-low"},
        "limit": {"value": 60},
        "factor": {"value": "training=7"},
    }
    file = tmp_path / "training.yaml"
    file.write_text(yaml.safe_dump({**HEAD, "parameters": parameters}))
    server, home = SweepServer([0, 1]), tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch, server.serving():
        _, said = swept_by_clients(server, patch, home, file)
    logged = [read_logged(place) for place in sorted((home / "wandb").glob("offline-run-*"))]
    configs = sorted((one.state["config"] for one in logged), key=lambda config: config["step"])
    told = [(config["label"], config["checkpoint"], config["step"], config["training"]) for config in configs]
    assert told == [(f"step {step}", "checkpoint", step, 7) for step in (1000, 2000)], said
    folders = sorted((home / "runs").glob("*/run.json"))
    assert [json.loads(path.read_text())["factors"]["step"] for path in folders] == [1000, 2000]
