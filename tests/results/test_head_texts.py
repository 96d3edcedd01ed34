"""Folders of texts of heads: read as they are written, head by head, and refused where they are not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.results.head_texts import heads_of, is_span, read_span
from span_folders import write_span

PICKED = {(12, 0): ["a dog", "a, b"], (11, 1): ["NA"]}


def test_picks_come_back_head_by_head(tmp_path: Path) -> None:
    folder = write_span(tmp_path / "it", PICKED)
    record, table = read_span(folder)
    assert record["settings"]["heads"]["model"] == "own"
    shuffled = table.iloc[::-1]
    found = [(layer, head, rows["text"].tolist()) for layer, head, rows in heads_of(shuffled)]
    assert found == [(11, 1, ["NA"]), (12, 0, ["a dog", "a, b"])]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("textspan.json", json.dumps({"store": "x"}), "settings is not there"),
        ("textspan.json", "[", "Expecting value"),
        ("texts.csv", "layer,head\n1,0\n", "pick is not there"),
        ("texts.csv", "layer,head\n1,x\n", "column 'head' holds what is no number"),
    ],
)
def test_damaged_folders_are_refused(file: str, text: str, said: str, tmp_path: Path) -> None:
    folder = write_span(tmp_path / "it", PICKED)
    (folder / file).write_text(text)
    with pytest.raises(
        DataError,
        match=rf"cannot be read .*{said}.*: remove the folder, and make it again by `alignbench interpret textspan`",
    ):
        read_span(folder)
    (folder / file).unlink()
    assert not is_span(folder)
    with pytest.raises(DataError, match=r"holds no textspan.json and texts.csv: make it by"):
        read_span(folder)
