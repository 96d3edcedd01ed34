"""Folders of all stages are found for the page, each is shown once, and none that is known is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablation_folders import write_ablation
from alignbench.report.page.head_reading import read_heads
from alignbench.results.head_stages import SEARCH, STORE
from extracted import refused
from head_folders import write_head_folder
from label_folders import write_labels
from pages import words
from score_folders import write_scores
from transform_pages import parsed, report

Capture = pytest.CaptureFixture[str]


def write_all(root: Path) -> None:
    write_head_folder(root, model="own")
    write_scores(root / "own__scores__0")
    write_ablation(root / "own__ablate__0")
    write_labels(root)
    for record in (STORE, SEARCH):
        (root / f"own__{record[:-5]}__0").mkdir()
        (root / f"own__{record[:-5]}__0" / record).touch()


@pytest.mark.parametrize("named_one_by_one", [False, True])
def test_all_stages_are_on_one_page_and_none_is_left_out(
    named_one_by_one: bool, tmp_path: Path, capsys: Capture
) -> None:
    root = tmp_path / "heads"
    write_all(root)
    places = sorted(root.iterdir()) if named_one_by_one else [root]
    assert report(*places, output=tmp_path / "report.html") == 0
    assert "alignbench:" not in capsys.readouterr().err
    found = parsed(tmp_path / "report.html")
    assert [name for name in found.sections if name.startswith("head")] == ["head-texts", "heads", "head-ablations"]
    assert "Left out" not in words(found.sections["answer"])


def test_labels_that_were_judged_and_texts_that_were_labelled_are_shown_once(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    (alone,) = read_heads([tmp_path, labels])[0].texts
    assert (alone.name, alone.model, alone.labeller) == (labels.name, "own", "words")
    scores = write_scores(tmp_path / "own__scores__0")
    record = json.loads((scores / "scores.json").read_text())
    record["settings"]["labels"] = json.loads((labels / "labels.json").read_text())["settings"]
    (scores / "scores.json").write_text(json.dumps(record))
    shown = read_heads([tmp_path])[0]
    assert [folder.name for folder in shown.labels] == ["own__scores__0"]
    assert shown.texts == ()
    (span,) = read_heads([tmp_path / "own__textspan__0"])[0].texts
    assert (span.name, span.labeller) == ("own__textspan__0", "")
    assert span.heads["texts"].tolist() == ["a red dog; a cup; blue", "two cups", "a blue cup; red"]


def test_labels_without_their_texts_say_why(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    span = tmp_path / "own__textspan__0"
    record = json.loads((span / "textspan.json").read_text())
    record["settings"]["picks"] = 3
    (span / "textspan.json").write_text(json.dumps(record))
    (other,) = read_heads([labels])[0].texts
    assert other.notes == (f"texts are not shown: {span.resolve()} holds other picks than those that were labelled",)
    assert other.heads["texts"].tolist() == [""] * 3
    (span / "textspan.json").unlink()
    (without,) = read_heads([labels])[0].texts
    assert "own__textspan__0 holds no textspan.json and texts.csv" in without.notes[0]
    assert without.heads["label"].tolist() == ["colours", "", "colours"]


def test_damaged_folders_are_left_out_with_a_line(tmp_path: Path) -> None:
    write_all(tmp_path)
    for name in ("own__scores__0/scores.csv", "own__ablate__0/ablations.csv", "own__textspan__0/texts.csv"):
        (tmp_path / name).write_text("a\n")
    heads, refused_ones = read_heads([tmp_path])
    assert [line.split(" cannot")[0].rpartition("/")[2] for line in refused_ones] == [
        *("own__scores__0", "own__textspan__0", "own__ablate__0")
    ]
    assert (heads.labels, heads.ablations, len(heads.texts), len(heads.folders)) == ((), (), 1, 1)


def test_contributions_alone_are_nothing_to_show(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "own__heads__0").mkdir()
    (tmp_path / "own__heads__0" / STORE).touch()
    line = refused(capsys, ["report", str(tmp_path), "--output", str(tmp_path / "report.html")])
    assert "nothing is shown of contributions of heads alone: label them, ablate them" in line
