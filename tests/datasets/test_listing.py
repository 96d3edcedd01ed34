"""Every data set is listed with what it is, and whether its files are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.listing import known_data_sets


def test_every_data_set_is_there_with_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    rows = {str(row["name"]): row for row in known_data_sets()}
    levels = {"tid2013": "low", "kadid10k": "low", "bapps": "low", "nights": "middle"}
    levels |= {"things": "high", "levels": "high"}
    assert {name: rows[name]["level"] for name in levels} == levels
    packaged = {"shapes-low", "shapes-middle", "shapes-high", "shapes-levels", "shapes-objects"}
    assert {name for name, row in rows.items() if row["there"]} == packaged
    assert all(row["folder"] is None for row in rows.values())
    assert rows["nights"]["subsets"] == DATASETS.load("nights").subsets
    assert rows["nights"]["package"] is None


def test_files_are_there_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nights").mkdir()
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "testset1.txt").touch()
    (tmp_path / "bapps").touch()
    monkeypatch.setenv("ALIGNBENCH_DATA", str(tmp_path))
    rows = {str(row["name"]): row for row in known_data_sets()}
    there = {name: row["there"] for name, row in rows.items() if not name.startswith("shapes-")}
    assert set(there) >= {"tid2013", "kadid10k", "bapps", "nights", "things", "levels"}
    assert {name for name, found in there.items() if found} == {"things"}
    assert rows["things"]["folder"] == str(tmp_path / "things")
    assert rows["shapes-low"]["folder"] is None
