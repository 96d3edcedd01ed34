"""`alignbench.load`: one run of its folder, all runs of a folder of them; what cannot be read is left out and said."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alignbench
from alignbench.errors import AlignbenchWarning, DataError, UsageError


def test_the_folder_of_a_run_is_that_run(some_runs: Path) -> None:
    for folder in some_runs.iterdir():
        run = alignbench.load(folder)
        assert isinstance(run, alignbench.FinishedRun)
        assert run.folder == folder
        written = pd.read_csv(folder / "curve.csv", keep_default_na=False, na_values={"value": ""})
        assert run.curve.frame["value"].tolist() == pytest.approx(written["value"].tolist(), nan_ok=True)
        assert (run.label, run.curve.dataset) == tuple(folder.name.split("__")[:2])


def test_a_folder_of_runs_is_all_of_them(some_runs: Path) -> None:
    runs = alignbench.load(str(some_runs))
    assert isinstance(runs, alignbench.Runs)
    assert [run.folder for run in runs] == sorted(some_runs.iterdir())
    again = alignbench.load([some_runs, *some_runs.iterdir()])
    assert [run.folder for run in again] == [run.folder for run in runs], "each once"


def test_the_usual_folder_and_the_home_are_found(some_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(some_runs.parent)
    monkeypatch.setenv("HOME", str(some_runs.parent))
    for runs in (alignbench.load(), alignbench.load("~/runs")):
        assert isinstance(runs, alignbench.Runs)
        assert len(runs) == 3


def test_one_run_among_several_places_stays_a_sequence(some_runs: Path) -> None:
    [run] = alignbench.load([next(some_runs.iterdir())])
    assert isinstance(run, alignbench.FinishedRun)


def test_what_cannot_be_read_is_left_out_and_said(some_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(some_runs, tmp_path / "runs")
    damaged = sorted((tmp_path / "runs").iterdir())[0]
    (damaged / "curve.csv").write_text("nothing\n")
    with pytest.warns(AlignbenchWarning, match=r"curve.csv.*`overwrite=True`"):
        runs = alignbench.load(tmp_path / "runs")
    assert isinstance(runs, alignbench.Runs)
    assert len(runs) == 2
    assert [str(damaged) in line for line in runs.skipped] == [True]
    with pytest.raises(DataError, match=r"curve.csv.*`overwrite=True`"):
        alignbench.load(damaged)


def test_what_is_no_run_is_refused_by_its_name(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "gone"):
        with pytest.raises(DataError, match=f"^{place} (holds no run folder|is not there): give a folder"):
            alignbench.load(place)
    with pytest.raises(UsageError, match="no folder is named"):
        alignbench.load([])
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "curve.csv").touch()
    with pytest.raises(DataError, match="half holds no finished run: measure it again"):
        alignbench.load(tmp_path)


@pytest.mark.parametrize("places", [3, None, [3]])
def test_what_cannot_be_a_folder_is_refused(places: Any) -> None:
    with pytest.raises(UsageError, match="is no folder: give"):
        alignbench.load(places)
