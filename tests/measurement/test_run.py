"""What `alignbench run` does with one cell: a run folder, or the one that is there."""

from __future__ import annotations

import stat
from pathlib import Path

import pandas as pd
import pytest

import alignbench
from alignbench.errors import UsageError
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.run import run_cell
from alignbench.results.folders import is_complete

CELL = alignbench.Cell("pixels", "shapes-low", limit=30)


class Heard(ProgressListener):
    """What a listener heard."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def test_a_run_folder_is_written_and_read_back(tmp_path: Path) -> None:
    run = run_cell(CELL, tmp_path)
    assert is_complete(run.folder)
    assert run.folder.parent == tmp_path
    expected = alignbench.measure("pixels", "shapes-low", limit=30)
    pd.testing.assert_frame_equal(run.curve.frame, expected.frame, check_dtype=False)
    assert run.record.settings.limit == 30


def test_what_is_finished_is_taken_and_said(tmp_path: Path) -> None:
    first, heard = run_cell(CELL, str(tmp_path)), Heard()
    before = (first.folder / "run.json").stat().st_mtime_ns
    again = run_cell(CELL, tmp_path, listener=heard)
    assert (again.folder, heard.notices) == (
        first.folder,
        [f"pixels on shapes-low is finished: taken from {first.folder}"],
    )
    assert (first.folder / "run.json").stat().st_mtime_ns == before
    run_cell(CELL, tmp_path, overwrite=True)
    assert (first.folder / "run.json").stat().st_mtime_ns > before


def test_what_a_low_precision_changes_is_told(tmp_path: Path) -> None:
    heard = Heard()
    cell = alignbench.Cell("shapes-clip", "shapes-low", limit=9, precision="bf16", check_precision=9)
    run_cell(cell, tmp_path, listener=heard)
    assert any(text.startswith("bf16 against fp32 on 9 pairs: largest change of a score ") for text in heard.notices)


def test_all_files_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    folder = run_cell(CELL, tmp_path).folder
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes["distances.safetensors"] == usual
    assert set(modes.values()) == {usual}


def test_wrong_use_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown distance"):
        run_cell(alignbench.Cell("shapes-clip", "shapes-low", distances=("cosin",)), tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*"))
