"""What has to be known of runs and rows is said: how they were measured, what was taken, what was selected."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.study.answer_remarks import without_objects
from alignbench.study.answers import compare
from labelled_runs import copy_labels, folder, write_labelled


def test_rows_that_need_a_word_have_one(labels: Path) -> None:
    remarks = compare("one", "two", runs=labels, dataset="tid2013", at="all").remarks
    assert remarks[0] == (
        "95 % intervals of paired differences that hold for all 3 questions together: cluster jackknife t."
    )
    starts = [remark.partition(":")[0] for remark in remarks[1:4]]
    assert starts == ["best layer", "layers and depths", "cross-fitted"]


def test_runs_that_were_measured_differently_are_said(labels: Path, tmp_path: Path) -> None:
    other = write_labelled(tmp_path, "two", "nights", settings={"tokens": "cls"})
    found = compare(folder(labels, "one", "nights"), other)
    assert found.remarks[0] == "NIGHTS: one and two were measured differently: tokens (all; cls)."


def test_which_of_several_runs_were_taken_is_said(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    write_labelled(place, "one", "nights", settings={"tokens": "cls"})
    found = compare("one", "two", runs=place, dataset="nights")
    taken = [folder(labels, label, "nights").name for label in ("one", "two")]
    assert found.remarks[0] == f"NIGHTS: of several runs, {place / taken[0]} and {place / taken[1]} are compared."


def test_channel_means_that_were_fitted_apart_are_said(labels: Path, tmp_path: Path) -> None:
    other = write_labelled(tmp_path, "two", "nights", settings={"calibration_fingerprint": "f" * 64})
    [remark, _, *_] = compare(folder(labels, "one", "nights"), other).remarks
    assert remark == "NIGHTS, normalised Euclidean: the channel means of the two runs were fitted on different pairs."


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_model_that_was_trained_on_the_data_is_said(labels: Path, tmp_path: Path, order: slice) -> None:
    told = "trained on NIGHTS' train split"
    pixels = write_labelled(tmp_path, "pixels", "nights", details={"trained_on": told})
    assert f"NIGHTS: pixels, {told}." in compare(*[pixels, folder(labels, "one", "nights")][order]).remarks


def test_other_layers_are_said(labels: Path, tmp_path: Path) -> None:
    other = write_labelled(tmp_path, "two", "nights", settings={"layers": ["stage_1", "avgpool"]})
    found = compare(folder(labels, "one", "nights"), other)
    said = "NIGHTS: one and two were measured differently: layers (the usual ones; stage_1, avgpool)."
    assert found.remarks[0] == said


def test_data_sets_without_objects_are_named() -> None:
    assert list(without_objects([])) == []
    [line] = without_objects(["nights", "levels"])
    assert line == "left out: NIGHTS and Levels, whose judgments name no objects, which intervals are to be over."
