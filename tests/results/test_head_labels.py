"""Folders of labels of heads: their table as it is written, and refused where it is not whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import DataError
from alignbench.results.head_labels import is_labelled, read_label_table
from label_folders import write_labels


def test_labels_come_back(tmp_path: Path) -> None:
    record, table = read_label_table(write_labels(tmp_path, examples={(12, 2): "things"}))
    assert record["picks"] == "own__textspan__0"
    assert table[["layer", "head", "label", "source"]].to_numpy().tolist() == [
        [11, 0, "colours", "labelled"],
        [12, 1, "", "labelled"],
        [12, 2, "things", "example"],
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": ["animals"]}, "a label that is not among its names"),
        ({"names": ["colours", "colours"]}, "it has a name twice"),
        ({"settings": {}}, "its settings are not whole"),
        ({"picks": 3}, "picks is not a text"),
    ],
)
def test_damaged_folders_are_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = write_labels(tmp_path)
    record = json.loads((folder / "labels.json").read_text())
    (folder / "labels.json").write_text(json.dumps(record | change))
    with pytest.raises(
        DataError,
        match=rf"cannot be read .*{said}.*: remove the folder, and make it again by `alignbench interpret label`",
    ):
        read_label_table(folder)


def test_picks_are_no_labels(tmp_path: Path) -> None:
    folder = write_labels(tmp_path)
    assert is_labelled(folder)
    with pytest.raises(DataError, match=r"holds no labels.json and labels.csv \(these are picks: label them first\)"):
        read_label_table(tmp_path / "own__textspan__0")
