"""Folders of scores of heads: read as they are written, and refused where they are not whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.results.head_scores import is_scored, read_head_rows, read_judged_texts, read_scores
from score_folders import HEADS, JUDGED, MEASURES, write_scores

LABELS = {"labeller": {"name": "a"}, "span": {"heads": {}}}


def test_tables_come_back_as_they_are(tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it", values={"entropy": float("nan")})
    record, scores = read_scores(folder)
    assert record["model"] == "own"
    assert scores["measure"].tolist() == list(MEASURES)
    assert np.isnan(scores.set_index("measure").loc["entropy", "value"])
    heads = read_head_rows(folder)
    assert heads["texts"].tolist() == [row[-1] for row in HEADS]
    assert heads["label"].tolist() == ["colours", "", "animals"]
    assert read_judged_texts(folder)["text"].tolist() == [row[3] for row in JUDGED]


@pytest.mark.parametrize("file", ["scores.json", "scores.csv", "heads.csv", "judged.csv"])
def test_a_folder_that_lacks_a_file_holds_no_scores(file: str, tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it")
    assert is_scored(folder)
    (folder / file).unlink()
    assert not is_scored(folder)
    with pytest.raises(DataError, match=r"holds no scores.json and its tables: make it by `alignbench"):
        read_scores(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": None}, "record.size is not a whole number"),
        ({"settings": {}}, "settings.labels is not an object"),
        (
            {"settings": {"labels": {"labeller": {"name": "a"}, "span": {"heads": []}}, "judge": {}}},
            "heads is not an ob",
        ),
        (
            {"settings": {"labels": {"labeller": {}, "span": {"heads": {}}}, "judge": {"name": "a"}}},
            "name is not a text",
        ),
        ({"notes": [1]}, "record.notes is not a list of texts"),
    ],
)
def test_records_that_do_not_say_enough_are_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it")
    record = json.loads((folder / "scores.json").read_text())
    (folder / "scores.json").write_text(json.dumps(record | change))
    with pytest.raises(DataError, match=said):
        read_scores(folder)


def test_tables_of_another_form_are_refused(tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it")
    table = pd.read_csv(folder / "scores.csv")
    table["measure"] = "entropy"
    table.to_csv(folder / "scores.csv", index=False)
    with pytest.raises(DataError, match="it has a measure twice"):
        read_scores(folder)
    for name, read in (("heads.csv", read_head_rows), ("judged.csv", read_judged_texts)):
        (folder / name).write_text("layer,head\n1,2\n")
        with pytest.raises(DataError, match=f"{name} has no column "):
            read(folder)
