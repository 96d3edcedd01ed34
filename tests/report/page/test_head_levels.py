"""Which labels' heads carry which level, on the page: labels and scores of the same models meet, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.report.page.head_levels import collect_levels
from alignbench.report.page.head_reading import read_heads
from alignbench.results.head_alignment import RECORD, TABLE
from alignbench.results.head_scores import HEAD_COLUMNS, HEADS
from alignbench.study.carried_levels import CONSISTENT
from head_folders import alignment_table, cumulative_table, write_head_folder
from pages import words
from score_folders import write_scores
from transform_pages import parsed, report

Capture = pytest.CaptureFixture[str]


def align(root: Path, name: str, weights: str, raised: float = 0.2, **settings: object) -> None:
    """Heads of which the even ones score higher on TID2013, so that other levels are as they are."""
    tables = alignment_table(), cumulative_table().iloc[:0]
    folder = write_head_folder(root, f"{name}__align__00000001", name, tables)
    record = json.loads((folder / RECORD).read_text())
    record["settings"] |= {"heads": {"model_fingerprint": weights}, **settings}
    (folder / RECORD).write_text(json.dumps(record))
    table = pd.read_csv(folder / TABLE)
    even = (table["kind"] == "head") & (table["head"] % 2 == 0) & (table["dataset"] == "tid2013")
    table["value"] += np.where(even, raised, 0.0)
    table.to_csv(folder / TABLE, index=False)


def label(root: Path, name: str, weights: str, judge: str = "file") -> None:
    """Even heads are of colours, odd ones of animals or of nothing; all texts of even ones agree."""
    folder = write_scores(root / f"{name}__scores__{judge}", name, judge=judge, span=span(weights))
    names = ("colours", "animals", "colours", "")
    places = [(layer, head) for layer in range(3, 7) for head in range(4)]
    told = {
        "layer": [layer for layer, _ in places],
        "head": [head for _, head in places],
        "label": [names[head] for _, head in places],
        "first_agreeing": [5 - 3 * (head % 2) for _, head in places],
    }
    table = pd.DataFrame({name: told.get(name, "") for name in HEAD_COLUMNS})  # nothing is known of the rest
    table.to_csv(folder / HEADS, index=False)


def span(weights: str) -> dict[str, object]:
    return {"heads": {"model": "it", "model_fingerprint": weights}}


def test_labels_meet_the_scores_of_their_own_model(tmp_path: Path) -> None:
    """By the weights, and not by names; transforms are passed over. Heads of colours are higher by what is added."""
    for name in ("one", "two", "three"):
        align(tmp_path, name, f"weights of {name}")
    align(tmp_path, "one@turned", "weights of one", 0.9, transform={"name": "turned"})
    for name in ("one", "two"):
        label(tmp_path, f"called {name}", f"weights of {name}")
    label(tmp_path, "three", "others")
    (part,) = collect_levels(read_heads([tmp_path])[0])
    assert part.note == "2 models: one, two"
    assert part.labels is not None
    assert part.consistency is not None
    first = part.labels.rows[0]
    assert first[:5] == ("colours", "low", "TID2013", "all", "paper")
    assert float(first[5]) == pytest.approx(0.2, abs=0.07)
    assert first[7:] == ("2", "16", "<0.001")
    assert len(part.labels.rows) == 2 * 3
    assert part.consistency.rows[0][0] == CONSISTENT
    assert float(part.consistency.rows[0][5]) == pytest.approx(float(first[5]) / 3, abs=0.002)
    assert len(part.consistency.rows) == 3


def test_both_tables_are_on_the_page(tmp_path: Path) -> None:
    align(tmp_path, "one", "w")
    label(tmp_path, "one", "w")
    assert report(tmp_path, output=tmp_path / "report.html") == 0
    found = parsed(tmp_path / "report.html")
    assert "labelled by words, judged by file 1 model: one" in words(found.sections["heads"])
    columns = ["heads with", "level", "dataset", "part", "protocol", "difference", "interval", "models", "heads"]
    assert [table[0] for table in found.tables[-2:]] == [[*columns, "p corrected"]] * 2
    assert found.tables[-2][1][0] == "colours"


def test_each_judge_has_a_part_and_each_model_one_folder_in_it(tmp_path: Path) -> None:
    """Labels of the same model by the same people twice are two parts."""
    align(tmp_path, "one", "w")
    label(tmp_path / "a", "one", "w")
    label(tmp_path / "b", "one", "w")
    label(tmp_path / "a", "one", "w", judge="prototypes")
    heads, refused = read_heads([tmp_path, tmp_path / "a", tmp_path / "b"])
    parts = collect_levels(heads)
    assert refused == ()
    assert sorted(part.title for part in parts) == [
        *["labelled by words, judged by file"] * 2,
        "labelled by words, judged by prototypes",
    ]
    assert {part.note for part in parts} == {"1 model: one"}


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    """All heads have one label, and as many texts agree."""
    align(tmp_path, "one", "w")
    label(tmp_path, "one", "w")
    (folder,) = tmp_path.glob("*__scores__*")
    table = pd.read_csv(folder / HEADS)
    table.assign(label="colours", first_agreeing=5).to_csv(folder / HEADS, index=False)
    (part,) = collect_levels(read_heads([tmp_path])[0])
    assert part.labels is None
    assert part.consistency is None
    assert part.reasons == ("no mark of heads differs within a layer: nothing can be compared",)


def test_labels_alone_are_no_part_and_damaged_ones_are_told(tmp_path: Path, capsys: Capture) -> None:
    label(tmp_path, "one", "w")
    assert report(tmp_path, output=tmp_path / "report.html") == 0
    assert "heads" not in parsed(tmp_path / "report.html").sections
    align(tmp_path, "one", "w")
    (folder,) = tmp_path.glob("*__scores__*")
    (folder / HEADS).write_text("a\n")
    assert report(tmp_path, output=tmp_path / "report.html") == 1
    assert "heads.csv has no column layer" in capsys.readouterr().err
