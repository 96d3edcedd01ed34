"""`alignbench.measure` and `alignbench.run`: what they give, where data lie, and several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alignbench
from alignbench.errors import UsageError
from alignbench.results.folders import is_complete
from folders import Folders
from rank_processes import load, on_ranks, save

CELL = alignbench.Cell("pixels", "shapes-low", limit=30)
pytestmark = pytest.mark.filterwarnings("ignore:.*as published:alignbench.errors.AlignbenchWarning")


def test_a_run_is_read_back_and_is_what_measuring_gives(tmp_path: Path) -> None:
    run = alignbench.run(CELL, tmp_path)
    assert is_complete(run.folder)
    assert isinstance(run, alignbench.FinishedRun)
    measured = alignbench.measure("pixels", "shapes-low", limit=30)
    assert isinstance(measured, alignbench.MeasuredCurve)
    assert isinstance(run.curve, alignbench.MeasuredCurve)
    pd.testing.assert_frame_equal(run.curve.frame, measured.frame, check_dtype=False)
    assert (measured.limit, measured.kind, run.curve.kind) == (30, "rating", "rating")


def test_data_lie_where_the_variable_says(data_root: Folders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = data_root("tid2013")
    expected = alignbench.measure("pixels", "tid2013", data_root=str(root)).frame
    monkeypatch.setenv("ALIGNBENCH_DATA", str(root.parent))
    assert root.name == "tid2013"
    pd.testing.assert_frame_equal(alignbench.measure("pixels", "tid2013").frame, expected)
    assert alignbench.run(alignbench.Cell("pixels", "tid2013"), tmp_path).curve.dataset == "tid2013"
    monkeypatch.setenv("ALIGNBENCH_DATA", str(tmp_path))
    pd.testing.assert_frame_equal(alignbench.measure("pixels", "tid2013", data_root=root).frame, expected)


def test_names_and_folders_are_taken_as_python_has_them(
    data_root: Folders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One name, a list of them, and folders as text, below the home folder too."""
    root = data_root("nights")
    monkeypatch.setenv("HOME", str(root.parent))
    same: dict[str, Any] = {"limit": 2, "workers": 0, "accelerator": "cpu"}
    as_text = {"data_root": "~/nights", "subsets": "test", "distances": "cosine", **same}
    as_lists = {"data_root": str(root), "subsets": ["test"], "distances": ["cosine"], **same}
    measured = alignbench.measure("shapes-clip", "nights", **as_text).frame
    assert set(measured["distance"]) == {"cosine"}
    assert set(measured["subset"]) == {"test"}
    runs = [alignbench.run(alignbench.Cell("shapes-clip", "nights", **some), tmp_path) for some in (as_lists, as_text)]
    pd.testing.assert_frame_equal(runs[0].curve.frame, measured, check_dtype=False)
    assert runs[0].folder == runs[1].folder


def test_a_data_set_that_nobody_knows_is_answered_by_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"^unknown data set 'shape-low': did you mean shapes-low"):
        alignbench.measure("pixels", "shape-low")


def run_on_ranks(rank: int, folder: Path, cells: list[alignbench.Cell]) -> None:
    runs = [alignbench.run(cell, folder / "runs") for cell in cells for _ in range(2)]
    save(folder, rank, [(run.folder, run.curve.frame) for run in runs])


@pytest.mark.slow
def test_all_processes_have_the_run_and_one_writes_it(tmp_path: Path) -> None:
    """Each twice, the second time it is taken; a metric is measured by every process on its own."""
    options = {"accelerator": "cpu", "workers": 0, "limit": 30, "devices": 2}
    cells = [alignbench.Cell(model, "shapes-low", **options) for model in ("shapes-clip", "pixels")]
    on_ranks(2, run_on_ranks, tmp_path, cells)
    (first, second), folders = (load(tmp_path, rank) for rank in range(2)), sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    assert [folder for folder, _ in first] == [folder for folder, _ in second]
    assert {folder for folder, _ in first} == set(folders)
    for (_, ours), (_, theirs) in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


def test_a_run_takes_what_measuring_takes(tmp_path: Path) -> None:
    """A model and a data set, and where to write, by place or by name; or a cell."""
    by_place = alignbench.run("pixels", "shapes-low", tmp_path, limit=30)
    by_name = alignbench.run("pixels", dataset="shapes-low", output=str(tmp_path), limit=30)
    assert by_place.folder == by_name.folder == alignbench.run(CELL, output=tmp_path).folder
    assert by_place.folder.parent == tmp_path


def test_a_path_is_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(alignbench.AlignbenchError) as by_path:
        alignbench.measure(tmp_path / "ck", "shapes-low")
    with pytest.raises(alignbench.AlignbenchError) as by_text:
        alignbench.measure(str(tmp_path / "ck"), "shapes-low")
    assert str(by_path.value) == str(by_text.value)
    assert str(tmp_path / "ck") in str(by_path.value)


@pytest.mark.parametrize(
    ("places", "options", "said"),
    [
        (("pixels",), {}, "a data set is missing: name one of `alignbench.list_datasets()`"),
        (("pixels", "shapes-low", "a", "b"), {}, "b is one too many"),
        (("pixels", "shapes-low"), {"dataset": "nights"}, "dataset is one too many"),
        ((CELL, "a", "b"), {}, "b is one too many"),
        ((CELL,), {"limit": 3}, "a Cell says everything that is measured: leave out limit"),
        ((3, "shapes-low"), {}, "`model` cannot be 3: give a text"),
        (("pixels", 3), {}, "`dataset` cannot be 3: give a text"),
        (("pixels", "shapes-low", 3), {}, "3 is no folder: give `output` a text"),
        (("pixels", "shapes-low"), {"limits": 3}, "unknown argument 'limits': did you mean limit?"),
        (("pixels", "shapes-low"), {"factors": ["a=1"]}, "`factors` cannot be ['a=1']: give a dictionary"),
        (("pixels", "shapes-low"), {"distances": 3}, "`distances` cannot be 3: give a text or a list of texts"),
        (("pixels", "shapes-low"), {"data_root": 3}, "3 is no folder: give `data_root` a text"),
    ],
)
def test_wrong_arguments_are_said_in_a_line(places: tuple[Any, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        alignbench.run(*places, **options)
    assert said in str(refused.value)
