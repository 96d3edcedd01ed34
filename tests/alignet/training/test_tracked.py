"""A student's folder is logged as one W&B run, row by row."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from alignbench.alignet.training.tracked import log_student
from students import make_job, train, write_held_out
from wandb_runs import Logged, isolate


@pytest.mark.slow
def test_rows_are_points_over_steps(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    held_out = write_held_out(inputs, tmp_path / "held")
    folder, _ = train(make_job(inputs, validation=held_out), tmp_path / "out")
    isolate(monkeypatch, tmp_path / "home")
    logged = Logged(log_student(folder))
    wandb.teardown()
    log = pd.read_csv(folder / "training.csv")
    rows = [row for row in logged.history if "train/loss" in row]
    assert [row["step"] for row in rows] == log["step"].tolist()
    for name in ("loss", "teacher_agreement", "learning_rate"):
        assert [row[f"train/{name}"] for row in rows] == pytest.approx(log[name].tolist())
    judged, points = log.dropna(), [row for row in logged.history if "validation/loss" in row]
    assert [row["step"] for row in points] == judged["step"].tolist() == [8, 16, 20]
    for name, column in (("loss", "validation_loss"), ("teacher_agreement", "validation_agreement")):
        assert [row[f"validation/{name}"] for row in points] == pytest.approx(judged[column].tolist())
    record = json.loads((folder / "student.json").read_text())
    summary = logged.state["summary"]
    assert summary["first_step/target_entropy"] == pytest.approx(record["first_step"]["target_entropy"])
    assert summary["distance_to_start"] == pytest.approx(record["distance_to_start"])
