"""The folder of differences between the heads of two models is read back, and a damaged one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.results.head_differences import COLUMNS, is_comparison, read_comparison
from browsed_folders import browse_difference, browsed_store


def test_what_was_written_is_read(tmp_path: Path) -> None:
    folder = browse_difference(tmp_path / "own__against__0", browsed_store(tmp_path), [(0.01, 0.2), (-0.01, 0.2)])
    assert is_comparison(folder)
    record, table = read_comparison(folder)
    assert (record["first"], record["second"]) == ("a", "b")
    assert tuple(table.columns) == COLUMNS
    assert table["low_together"].tolist() == [0.01, -0.01]
    assert table["dataset"].tolist() == ["things"] * 2


def test_what_is_damaged_is_said(tmp_path: Path) -> None:
    assert not is_comparison(tmp_path)
    with pytest.raises(DataError, match=r"holds no against.json and differences.csv"):
        read_comparison(tmp_path)
    folder = browse_difference(tmp_path / "own__against__0", browsed_store(tmp_path), [(0.01, 0.2)])
    (folder / "against.json").write_text(json.dumps({"settings": {}, "first": "a"}))
    with pytest.raises(DataError, match="second is not there"):
        read_comparison(folder)
    (folder / "differences.csv").write_text("kind,layer\nhead,x\n")
    with pytest.raises(DataError, match="column 'layer' holds what is no number"):
        read_comparison(folder)
