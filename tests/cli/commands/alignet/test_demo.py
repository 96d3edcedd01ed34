"""The demo of AligNet: it ends whole, goes on where it was stopped, and is taken again where it is finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.alignet.chain import BASE, QUICK, STAGES
from alignbench.cli.main import main
from alignbench.cli.training_progress import TrainingProgress
from alignbench.errors import AlignbenchError
from alignbench.results.gains import find_gains, read_gains

Capture = pytest.CaptureFixture[str]
_STOPPED_AFTER = 15  # steps, with a checkpoint every 10


def stages(text: str) -> dict[str, bool]:
    """Of each stage that a line on stderr tells of, in order, whether it had been finished before."""
    heads = [line.partition(": ") for line in text.splitlines()]
    return {head: rest.startswith("finished before") for head, _, rest in heads if head in STAGES}


def test_a_file_in_its_place_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "taken").write_text("mine")
    assert main(["alignet", "demo", "--output", str(tmp_path / "taken")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "taken" in line
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped_and_is_taken_again(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["alignet", "demo", "--quick", "--output", str(tmp_path)]
    steps: list[int] = []

    def pulled(self: TrainingProgress) -> None:
        steps.append(1)
        if len(steps) == _STOPPED_AFTER:
            raise AlignbenchError("the plug was pulled")

    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "advanced", pulled)
        assert main(command) == 1
    assert stages(capsys.readouterr().err) == dict.fromkeys(STAGES[:5], False)

    assert main(command) == 0
    shown = capsys.readouterr()
    assert stages(shown.err) == {stage: stage in STAGES[:5] for stage in STAGES}
    assert f"10 of {QUICK.student.steps} steps had been made before this was stopped" in shown.err
    (evaluation,) = find_gains([tmp_path])
    figure, page, last = shown.out.splitlines()[-3:]
    assert figure == f"figure: {evaluation / 'gains.png'}"
    assert Path(page) == tmp_path / "report.html"
    assert last == str(tmp_path)
    assert shown.out.startswith(f"{BASE}-student-")
    assert "simulated observers, not human data" in shown.out.splitlines()[0]
    text = Path(page).read_text(encoding="utf-8")
    for said in ("What a model gained by being taught", "What a linear readout reaches", "simulated observers"):
        assert said in text

    frame, _ = read_gains(evaluation)
    assert set(frame["task"]) == {
        *("human choices", "human uncertainty", "few-shot", "distribution shift"),
        *("agreement with the teacher", "relative distance"),
    }
    sample = frame.groupby("task")["sample"].unique().map(list)
    assert sample["agreement with the teacher"] == ["in-sample"]
    assert sample["human choices"] == sample["few-shot"] == ["not seen"], "its pictures are others than the taught ones"
    (student,) = tmp_path.glob("*/student.json")
    assert json.loads(student.read_text())["steps"] == QUICK.student.steps

    before = student.stat().st_mtime_ns
    assert main(command) == 0
    again = capsys.readouterr()
    assert stages(again.err) == dict.fromkeys(STAGES, True)
    assert again.out == shown.out
    assert student.stat().st_mtime_ns == before
