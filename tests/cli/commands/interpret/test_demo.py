"""The demo of heads: it ends whole, goes on where it was stopped, and is taken again where it is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.errors import AlignbenchError
from alignbench.interpret import demo
from alignbench.interpret.labelling.labelling import read_labels
from alignbench.results.head_alignment import read_head_alignment
from alignbench.results.head_scores import read_scores

Capture = pytest.CaptureFixture[str]


def stages(text: str) -> dict[str, bool]:
    """Of each stage that a line on stderr tells of, in order, whether it had been finished before."""
    heads = [line.partition(": ") for line in text.splitlines()]
    return {head: rest.startswith("finished before") for head, _, rest in heads if head in demo.STAGES}


def test_a_file_in_its_place_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "taken").write_text("mine")
    assert main(["interpret", "demo", "--output", str(tmp_path / "taken")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "taken" in line
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped_and_is_taken_again(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["interpret", "demo", "--quick", "--output", str(tmp_path)]

    def pulled(*given: object) -> None:
        raise AlignbenchError("the plug was pulled")

    with monkeypatch.context() as patched:
        patched.setattr(demo, "align", pulled)
        assert main(command) == 1
    assert stages(capsys.readouterr().err) == dict.fromkeys(demo.STAGES[:5], False)

    assert main(command) == 0
    shown = capsys.readouterr()
    assert stages(shown.err) == {stage: stage in demo.STAGES[:5] for stage in demo.STAGES}
    assert "left out" not in shown.err
    assert "none of" not in shown.err
    assert "simulated observers, not human data" in shown.err
    said, page, last = shown.out.splitlines()[-3:]
    assert last == str(tmp_path)
    assert Path(page) == tmp_path / "report.html"
    text = Path(page).read_text(encoding="utf-8")
    for word in ("Which heads agree with people", "shapes-low", "shapes-high", "simulated observers"):
        assert word in text

    found = {name: [*tmp_path.glob(f"*__{name}__*")] for name in ("heads", "labels", "scores", "probes", "align")}
    assert {name: len(folders) for name, folders in found.items()} == {
        **dict.fromkeys(("labels", "scores", "probes"), 1),
        "heads": 1 + 2 * len(demo.PEOPLE),  # scenes; and the pictures of each data set, of the model and of its twin
        "align": len(demo.PEOPLE),
    }
    labels = read_labels(found["labels"][0]).table
    labelled = int((labels["label"] != "").sum())
    assert said.startswith(f"{labelled} of 24 heads have a label: ")
    assert read_scores(found["scores"][0])[0]["heads"] == 24
    assert len(demo.read_probes(found["probes"][0])) == 24 * 7
    for folder in found["align"]:
        frame, _, record = read_head_alignment(folder)
        assert record["settings"]["dataset"] in demo.PEOPLE
        assert ((frame["kind"] == "head") & (frame["way"] == "alone")).any()

    assert main(command) == 0
    again = capsys.readouterr()
    assert stages(again.err) == dict.fromkeys(demo.STAGES, True)
    assert again.out == shown.out
