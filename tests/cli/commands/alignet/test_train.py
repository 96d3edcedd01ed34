"""`alignbench alignet train` through the command line: a student that is measured like any model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignbench.cli.main import main
from alignbench.extraction.feature_files import read_features
from alignbench.transforms import AffineTransform
from documented import ROOT
from patience import PATIENCE
from students import left, write_held_out, write_inputs
from wandb_runs import isolate, logged_in, read_logged


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("students"))


def _command(inputs: Path, output: Path, *further: str) -> list[str]:
    return [
        *("alignet", "train", "--model", str(inputs / "vit"), "--triplets", str(inputs / "labels")),
        *("--images", str(inputs / "pictures"), "--output", str(output), "--pixel-cache", str(inputs / "cache")),
        *("--loader-workers", "0", "--wandb", "off", "--steps", "12", "--batch-triplets", "8", "--width", "6"),
        *("--learning-rate", "3e-3", "--log-every", "5", "--objective", "kl", "--temperature", "2", *further),
    ]


@pytest.fixture(scope="module")
def student(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("alignet")
    assert main(_command(inputs, output)) == 0
    (folder,) = output.iterdir()
    return folder


def test_the_folder_is_told_and_taken_again(inputs: Path, student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.name for path in student.iterdir()} == {
        *("config.json", "preprocessor_config.json", "model.safetensors"),
        *("student.json", "training.csv", "pictures.npy", "head.safetensors", "README.md", "alignbench.toml"),
    }
    assert main(_command(inputs, student.parent)) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == str(student)
    assert f"this student is finished: taken from {student}" in told.err
    assert main([*_command(inputs, student.parent), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(student)
    assert found["settings"]["objective"] == "kl"
    assert [row["step"] for row in found["log"]] == [5, 10, 12]
    card = (student / "README.md").read_text()
    assert "| triplets | 37 |" in card
    assert "| teacher model | a teacher |" in card
    assert "| seed | 0 |" in card


def test_the_student_is_a_model_and_its_head_a_transform(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`extract` reads every layer of it, and the head turns its pooled output into what it was trained by."""
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(tmp_path / "pictures" / f"{number}.png")
    file = tmp_path / "features.safetensors"
    command = ["extract", "--model", str(student), "--images", str(tmp_path / "pictures"), "--layers", "all"]
    assert main([*command, "--output", str(file)]) == 0
    arrays = read_features(file).arrays
    assert list(arrays) == ["layer_0", "layer_1", "layer_2", "projection"]
    head = AffineTransform.load(student / "head.safetensors")
    assert head.apply(np.asarray(arrays["projection"])).shape == (3, 6)
    run = ["run", "--model", str(student), "--dataset", "shapes-low", "--limit", "30", "--wandb", "off"]
    run += [
        "--transform",
        str(student / "head.safetensors"),
        "--output",
        str(tmp_path / "runs"),
        "--loader-workers",
        "0",
    ]
    assert main(run) == 0
    assert "taken on trust" not in capsys.readouterr().err
    (folder,) = (tmp_path / "runs").iterdir()
    curve = pd.read_csv(folder / "curve.csv")
    assert curve["layer"].drop_duplicates().tolist()[-2:] == ["projection", "projection_aligned"]
    assert folder.name.startswith("vit-student-")


def test_held_out_triplets_are_told(
    inputs: Path, student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = write_held_out(inputs, tmp_path / "held")
    command = _command(inputs, tmp_path / "out", "--validation", str(held_out), "--validate-every", "4")
    assert main(command) == 0
    said = capsys.readouterr()
    folder = Path(said.out.splitlines()[-1])
    assert folder.name == student.name
    log = pd.read_csv(folder / "training.csv").dropna()
    assert log["step"].tolist() == [4, 8, 12]
    assert "held-out loss" in said.out
    for row in log.to_dict("records"):
        line = f"step {row['step']} of 12, held-out triplets: loss {row['validation_loss']:.4g}, agreement"
        assert line in " ".join(said.err.split())
        assert f"{row['validation_loss']:.5g}" in said.out


@pytest.mark.slow
def test_it_is_logged_step_by_step(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    isolate(monkeypatch, tmp_path / "home")
    command = _command(inputs, tmp_path / "out", "--seed", "1")
    command[command.index("--wandb") + 1] = "offline"
    assert main(command) == 0
    wandb.teardown()
    (folder,) = (tmp_path / "out").glob("[!.]*")
    log = pd.read_csv(folder / "training.csv")
    (logged,) = logged_in(tmp_path / "out")
    found = read_logged(logged)
    rows = [row for row in found.history if "train/loss" in row]
    assert [row["step"] for row in rows] == log["step"].tolist()
    assert [row["train/loss"] for row in rows] == pytest.approx(log["loss"].tolist())
    config = found.state["config"]
    assert (config["objective"], config["data"]["triplets"]) == ("kl", 37)


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (["--objective", "kd"], "unknown objective 'kd'"),
        (["--steps", "0"], "--steps 0 is not at least 1"),
        (["--warmup", "12"], "--warmup 12 does not end before --steps 12"),
        (["--learning-rate", "3"], "a learning rate of 3 times a decay of 1 is 3: above 2 every step would lead"),
        (["--temperature", "0"], "--temperature 0 is not above 0"),
        (["--precision", "fp16"], "unknown precision of training 'fp16'"),
        (["--accumulate", "3"], "--batch-triplets 8 cannot be cut into 3 equal parts"),
        (["--ema", "1"], "--ema 1 is not between 0 and 1"),
        (["--decay", "-1"], "--decay -1 is below 0"),
        (["--validate-every", "5"], "--validate-every goes with --validation"),
        (["--checkpoint-every", "0"], "--checkpoint-every 0 is not at least 1"),
    ],
)
def test_what_is_impossible_is_refused_before_anything_is_loaded(
    inputs: Path,
    tmp_path: Path,
    further: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    no_model: None,
) -> None:
    assert main(_command(inputs, tmp_path / "out", *further)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("alignbench: ")
    assert said in told.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_keeps_its_step(
    inputs: Path, student: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """As a scheduler does it: the signal goes to the process and to its loaders."""
    command = _command(inputs, tmp_path, "--steps", "4000", "--loader-workers", "2", "--checkpoint-every", "100000")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    errors = tmp_path / "errors"
    with errors.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "alignbench", *command],
            stderr=said,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
        )
        try:
            end = time.monotonic() + PATIENCE
            while "first step" not in errors.read_text() and time.monotonic() < end:
                time.sleep(0.05)
            os.killpg(process.pid, number)
            code = process.wait(PATIENCE)
        finally:
            process.kill()
    told = errors.read_text()
    assert code == 128 + number, told
    assert "is kept: the same command goes on from there" in told
    assert "Traceback" not in told
    (partial,) = tmp_path.glob(".partial-*")
    assert [path.name for path in partial.iterdir()] == ["checkpoint.safetensors"]


def test_a_run_that_goes_on_says_so(
    inputs: Path, student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from alignbench.cli.training_progress import TrainingProgress

    made: list[int] = []
    advanced = TrainingProgress.advanced

    def interrupt(progress: TrainingProgress) -> None:
        advanced(progress)
        made.append(1)
        if len(made) == 7:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(TrainingProgress, "advanced", interrupt)
    assert main(_command(inputs, tmp_path)) == 143
    assert "step 7 of 12 is kept: the same command goes on from there" in capsys.readouterr().err
    assert main(_command(inputs, tmp_path)) == 0
    assert "7 of 12 steps had been made before this was stopped: it goes on from there" in capsys.readouterr().err
    (folder,) = tmp_path.iterdir()
    assert left(folder) == left(student)
