"""Finished runs in Python: one and many, by place and by label, as a table, as a figure and in a notebook."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import alignbench
from alignbench.errors import DataError, UsageError
from notebook_html import check_html


@pytest.fixture
def runs(some_runs: Path) -> alignbench.Runs:
    found = alignbench.load(some_runs)
    assert isinstance(found, alignbench.Runs)
    return found


def test_runs_are_a_sequence_and_are_found_by_label(runs: alignbench.Runs) -> None:
    assert len(runs) == 3
    assert runs[0] is next(iter(runs))
    assert runs[-1].label == "shapes-clip"
    assert [run.label for run in runs[:2]] == ["pixels", "pixels"]
    assert isinstance(runs[:2], alignbench.Runs)
    assert runs.labels == ("pixels", "shapes-clip")
    assert runs.datasets == ("shapes-low", "shapes-middle")
    assert [run.curve.dataset for run in runs["pixels"]] == ["shapes-low", "shapes-middle"]
    assert runs["pixels"].curves == (runs[0].curve, runs[1].curve)
    with pytest.raises(UsageError, match=r"^unknown label 'pixel': did you mean pixels\?$"):
        runs["pixel"]
    with pytest.raises(IndexError):
        runs[3]


def test_the_table_has_what_stands_in_the_files(runs: alignbench.Runs) -> None:
    table = runs.table.set_index(["model", "dataset", "distance"])
    assert len(table) == 3 + 1 + 1
    for run in runs:
        frame = pd.read_csv(run.folder / "curve.csv", keep_default_na=False, na_values={"value": "", "ci_low": ""})
        frame = frame[frame["metric"].isin(["spearman", "accuracy"]) & (frame["subset"] == "test")]
        for distance, rows in frame.groupby("distance"):
            row = table.loc[run.label, run.curve.dataset, str(distance)]
            before = rows[rows["layer"] != "projection"].set_index("layer")
            assert row["best"] == pytest.approx(before["value"].max())
            assert row["best_low"] == pytest.approx(before.loc[row["best_layer"], "ci_low"])
            last = rows.loc[rows["layer"] == "projection", "value"].tolist()
            assert [row["projection"]] == pytest.approx(last or [float("nan")], nan_ok=True)
            assert row["n"] == rows["n"].iloc[0]
            assert row["folder"] == str(run.folder)
            assert row["part"].startswith("90 of ")
            assert row["observers"] == "simulated observers, not human data"
            assert row["chance"] == run.curve.chance


def test_runs_say_what_they_are(runs: alignbench.Runs) -> None:
    assert repr(runs) == "<3 runs: pixels on shapes-low, pixels on shapes-middle, shapes-clip on shapes-low>"
    assert repr(runs[:1]) == "<1 run: pixels on shapes-low>"
    first = repr(runs[0])
    assert first.endswith(f"> in {runs[0].folder}")
    assert "\n" not in first
    many = alignbench.Runs(tuple(runs) * 5, ("a is none", "b is none"))
    assert repr(many).startswith("<15 runs, 2 left out (see `skipped`): ")
    assert repr(many).endswith(", and 5 more>")


def test_a_notebook_shows_a_row_for_each_run_and_one_run_with_its_folder(runs: alignbench.Runs) -> None:
    shown = check_html(runs._repr_html_())
    assert shown.count("tr") == 1 + 3
    assert "3 runs; `table` has all runs and distances" in shown.text
    many = check_html(alignbench.Runs(tuple(runs) * 100)._repr_html_())
    assert many.count("tr") <= 31
    assert "300 runs, the first 30 of them here; `table` has all" in many.text
    one = check_html(runs[2]._repr_html_())
    assert one.count("tr") == 1 + 3, "all distances of one"
    assert str(runs[2].folder) in one.text


def test_an_empty_slice_is_empty_and_nothing_is_drawn_of_it(runs: alignbench.Runs) -> None:
    none = runs[3:]
    assert (len(none), len(none.table), none.curves, repr(none)) == (0, 0, (), "<0 runs>")
    check_html(none._repr_html_())
    with pytest.raises(UsageError, match="no run to draw"):
        none.plot()


def test_figures_have_a_panel_for_each_data_set(runs: alignbench.Runs) -> None:
    assert len(runs.plot().axes) == 2
    assert len(runs["shapes-clip"].plot().axes) == len(runs[2].plot().axes) == 1


def test_a_file_that_is_damaged_later_is_told_in_pythons_words(some_runs: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sorted(some_runs.iterdir())[2], tmp_path / "run")
    run = alignbench.load(folder)
    assert isinstance(run, alignbench.FinishedRun)
    assert run.distances(["cosine"]).shape == (len(run.layers), run.shapes["cosine"][1])
    for name in ("distances.safetensors", "judgments.parquet"):
        (folder / name).write_bytes(b"damaged")
    again = alignbench.load(folder)
    assert isinstance(again, alignbench.FinishedRun)
    readers: list[Callable[[], object]] = [
        lambda: again.layers,
        lambda: again.shapes,
        lambda: again.depths,
        lambda: again.distances(["cosine"]),
        lambda: again.all_distances(),
        lambda: again.judgments(["test"]),
        lambda: again.judgment_rows(),
    ]
    for read in readers:
        with pytest.raises(DataError, match=r"measure it again with `overwrite=True`$"):
            read()
    (folder / "curve.csv").unlink()
    for lost in (alignbench.FinishedRun(folder), alignbench.FinishedRun(tmp_path / "gone")):
        with pytest.raises(DataError, match="measure it again"):
            _ = lost.curve
