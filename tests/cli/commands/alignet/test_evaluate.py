"""`alignbench alignet evaluate`: what it prints and leaves, and bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from alignbench.cli.commands.alignet.evaluate import gains_table, print_gains
from alignbench.cli.main import main
from alignbench.datasets import shapes
from alignbench.results.gains import Gains, has_gains, read_gains
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation import downstream
from gain_folders import CURVES, ROWS, draw
from taught_models import write_classes, write_labels, write_student

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("taught")
    write_classes(root / "one")
    write_labels(root / "alignet/labels", root / "one")
    write_student(root / "alignet/student")
    of = {"layer": "projection", "model": "another", "model_fingerprint": "0" * 64}
    AffineTransform(np.eye(64), 0.0, 1.0, None, of).save(root / "other.safetensors")
    return root


@pytest.fixture(autouse=True)
def quick(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(downstream, "PENALTIES", (1.0,))
    monkeypatch.setitem(shapes._TRIPLETS, "test", 60)
    monkeypatch.setattr("alignbench.report.figures.gains.draw_gains", lambda frame, folder, title: draw(frame, folder))


def evaluate(*options: object) -> int:
    command = ("alignet", "evaluate", "--loader-workers", 0, "--pixel-cache", "off", "--wandb", "off", *options)
    return main([str(part) for part in command])


ASKED = (
    *("--after", "alignet/student", "--labelled", "one", "--shots", 2),
    *("--hierarchy", "folders", "--triplets", "alignet/labels", "--images", "one"),
)


def test_a_student_is_judged_against_what_it_was(place: Path, capsys: Capture) -> None:
    assert evaluate(*ASKED) == 0
    said = capsys.readouterr()
    *table, folder = said.out.splitlines()
    assert has_gains(Path(folder))
    assert Path(folder).parent == Path("alignet")
    assert table[0].strip() == "student after, shapes-clip@random-0 before"
    frame, record = read_gains(Path(folder))
    assert "few-shot: accuracy, 2 a class" in said.out
    assert "may be in-sample: probably too optimistic" in " ".join(said.out.split()).replace("│ ", "")
    assert record["notes"][0] in said.err
    assert evaluate(*ASKED, "--json") == 0
    again = capsys.readouterr()
    assert f"this is finished: taken from {folder}" in again.err
    rows = json.loads(again.out)
    assert [row["after"] for row in rows] == frame["after"].tolist()
    assert {row["folder"] for row in rows} == {folder}


def test_a_plain_pair_is_judged_and_made_again(place: Path, capsys: Capture) -> None:
    pair = ("--before", "random:shapes-clip", "--after", "shapes-clip", "--labelled", "one", "--output", "pair")
    assert evaluate(*pair) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    content = (folder / "evaluation.csv").read_bytes()
    assert read_gains(folder)[0]["sample"].tolist() == ["unknown"]
    (folder / "evaluation.csv").write_bytes(b"")
    assert evaluate(*pair, "--overwrite") == 0
    assert (folder / "evaluation.csv").read_bytes() == content


def test_a_score_that_is_not_there_is_told_as_that() -> None:
    columns = {str(column.header): list(column.cells) for column in gains_table(Gains(ROWS, CURVES).frame, "").columns}
    place = columns["measure"].index("human uncertainty: entropy and log response time, Spearman")
    said = {name: columns[name][place] for name in ("before", "after", "difference", "95 % for all rows", "relative")}
    assert said == {"before": "no score", "after": "0.300", "difference": "", "95 % for all rows": "", "relative": ""}


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_can_be_read_on_a_narrow_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """No word and no number is cut in two."""

    def terminal(**options: Any) -> Console:
        return Console(width=width, force_terminal=True, color_system=None, **options)

    monkeypatch.setattr("alignbench.cli.console.Console", terminal)
    frame = Gains(ROWS, CURVES).frame
    print_gains(frame, "after against before")
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= width
    wide = gains_table(frame, "")
    words = " ".join(str(cell) for column in wide.columns for cell in (column.header, *column.cells)).split()
    assert set(words) <= set(said.split())
    assert len(said.replace("─", "").split()) == len(words) + len(["after", "against", "before"])


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--after", "shapes-clip", "--dataset", "shapes-high"), "shapes-clip holds no student.json"),
        (("--after", "alignet/student"), "nothing to judge the models on"),
        (("--after", "alignet/student", "--labelled", "gone"), "gone is not a folder"),
        (("--after", "alignet/student", "--dataset", "things", "--data-root", "gone"), "gone"),
        (("--after", "alignet/student", "--triplets", "gone", "--images", "one"), "gone is not there"),
        (("--after", "alignet/student", "--shift", "one", "alignet/labels"), "alignet/labels holds no pictures"),
        (("--after", "alignet/student", "--labelled", "one", "--hierarchy", "gone.csv"), "gone.csv cannot be read"),
        (
            ("--after", "alignet/student", "--labelled", "one", "--head", "gone.npz"),
            "the transform gone.npz is not there",
        ),
        (("--after", "alignet/student", "--labelled", "one", "--shots", "20"), "where 21 are needed"),
        (("--after", "alignet/student", "--dataset", "shapes-high", "--distance", "cosin"), "unknown distance 'cosin'"),
        *(
            (
                ("--after", "alignet/student", "--head", "other.safetensors", *asked),
                "other weights or preparation here: name the head of the model after by --head, or the model",
            )
            for asked in (("--labelled", "one"), ("--dataset", "shapes-high"))
        ),
        (("--after", "alignet/student", "--before", "no-such-model", "--labelled", "one"), "no-such-model"),
    ],
)
def test_bad_input_ends_in_one_line(options: tuple[str, ...], fault: str, capsys: Capture) -> None:
    assert evaluate(*options, "--output", "new/output") != 0
    assert not Path("new").exists(), "no empty folders are left"
    said = capsys.readouterr()
    assert said.out == ""
    *_, line = said.err.strip().splitlines()
    assert line.startswith("alignbench: ")
    assert fault in line
