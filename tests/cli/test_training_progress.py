"""What is said on stderr while a student is trained."""

from __future__ import annotations

import pytest

from alignbench.cli import training_progress
from alignbench.cli.training_progress import TrainingProgress

ROW = {"step": 2.0, "loss": 0.25, "teacher_agreement": 0.5, "learning_rate": 1e-3, "pictures_per_second": 60.0}


def test_lines_of_a_log_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "_BETWEEN_WORDS", 0.0)
    with TrainingProgress() as progress:
        progress.started(1, 4, 1800)
        progress.first_step({"target_entropy": 0.5, "gradient_norm": 2.0, "gradient_rms": 0.1})
        progress.advanced()
        progress.logged(ROW)
        progress.kept(2)
        progress.advanced()
        progress.advanced()
        progress.logged({**ROW, "loss": 0.125})
    seen = "agreement with the teacher 0.500, 60 images/s"
    assert capsys.readouterr() == (
        "",
        "1 of 4 steps had been made before this was stopped: it goes on from there\n"
        "first step: entropy of the teacher's targets 0.5000 of 1.0986 nats, norm of the gradient 2\n"
        f"step 2 of 4: loss 0.25, {seen}, about 1.0 minutes to go\n"
        "step 2 of 4 is kept: the same command goes on from there\n"
        f"step 4 of 4: loss 0.125, {seen}\n",
    )


def test_held_out_triplets_have_a_line_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress() as progress:
        progress.started(0, 4000, 3)
        progress.logged({**ROW, "step": 2000.0, "validation_loss": 0.1234, "validation_agreement": 0.75})
    said = "step 2,000 of 4,000, held-out triplets: loss 0.1234, agreement with the teacher 0.750\n"
    assert capsys.readouterr().err == said


def test_a_log_file_hears_of_it_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress() as progress:
        progress.started(0, 100, 3)
        for _ in range(50):
            progress.advanced()
            progress.logged(ROW)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with TrainingProgress() as progress:
        progress.started(0, 4, 3)
        progress.advanced()
        progress.logged(ROW)
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "loss 0.25" in shown
