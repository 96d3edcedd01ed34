"""`alignbench compare`: labels and folders, what is printed and written, and every wrong input in one line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from alignbench.cli.commands.compare import answer_table, beyond_table
from alignbench.cli.main import main
from alignbench.study.answers import compare
from labelled_runs import copy_labels, folder, write_labelled, write_labels
from run_folders import refused, run_command
from studies import Made, as_published, write_made

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with labels of their own, see `write_labels`."""
    return write_labels(tmp_path_factory.mktemp("place") / "runs")


@pytest.fixture(scope="module")
def runs(labels: Path) -> list[Path]:
    """Two baselines, whose comparison is a single row."""
    return [folder(labels, label, "tid2013") for label in ("pixels", "ssim")]


def asked(capsys: Capture, labels: Path, *arguments: str | Path) -> list[str]:
    """The lines that a comparison prints on stdout."""
    capsys.readouterr()
    assert main(["compare", *map(str, arguments), "--runs", str(labels)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out.splitlines()


# --- The answer -------------------------------------------------------------------------------------------------------


def test_labels_are_looked_for_among_the_runs_and_the_last_lines_answer(labels: Path, capsys: Capture) -> None:
    lines = asked(capsys, labels, "one", "two")
    found = compare("one", "two", runs=labels)
    assert lines[0].strip() == "one minus two: projection, normalised Euclidean"
    assert tuple(lines[-2:]) == found.sentences
    assert lines[-3] == ""
    assert set(found.remarks) <= set(lines)


def test_runs_are_looked_for_in_the_folder_runs_if_none_is_named(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(labels.parent)
    assert main(["compare", "pixels", "ssim"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("whole images, Euclidean / ssim, TID2013")


def test_options_say_what_is_asked(labels: Path, capsys: Capture) -> None:
    curve = asked(capsys, labels, "one", "two", "--at", "curve", "--dataset", "nights", "--distance", "cosine")
    assert curve[-1].startswith("whole curve, cosine, NIGHTS (120 of 20,019 triplets): one ")
    assert any("layer_12" in line for line in curve)
    every = asked(capsys, labels, "one", "two", "--at", "all", "--dataset", "tid2013,nights", "--distance", "all")
    assert len(compare("one", "two", runs=labels, at="all", distance="all").sentences) == 12
    assert all(":" in line for line in every[-12:])
    assert every[-13] == ""
    seeds = [asked(capsys, labels, "one", "two", "--dataset", "nights", "--seed", seed)[-1] for seed in ("0", "1", "0")]
    assert seeds[0] == seeds[2] != seeds[1]


def test_what_all_rows_have_in_common_is_the_title_of_the_table(labels: Path) -> None:
    title, rows = compare("one", "two", runs=labels, dataset="tid2013").titled_cells()
    table = answer_table(rows)
    headers = [str(column.header) for column in table.columns]
    assert headers == ["first", "second", "difference", "95 % interval", "p"]
    assert title == "one minus two: projection, normalised Euclidean, TID2013"
    assert table.row_count == 1


def test_names_are_no_markup(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    run = Path(shutil.copytree(folder(labels, "one", "nights"), tmp_path / "run"))
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"label": "[bold]one"}))
    lines = asked(capsys, labels, run, "two")
    assert lines[0].strip() == "[bold]one minus two: projection, normalised Euclidean, NIGHTS"
    assert ": [bold]one " in lines[-1]


def test_rows_and_sentences_are_json(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "table.csv"
    printed = asked(capsys, labels, "one", "two", "--at", "all", "--json", "--output", output, "--given", "pixels")
    found = json.loads("\n".join(printed))
    expected = compare("one", "two", runs=labels, at="all", given="pixels")
    assert (found["first"], found["second"]) == ("one", "two")
    assert tuple(found["sentences"]) == expected.sentences
    assert tuple(found["remarks"]) == expected.remarks
    assert [row["difference"] for row in found["rows"]] == expected.table["difference"].tolist()
    assert found["rows"][2]["p"] is None, "of an estimate without a test"
    assert found["rows"][0]["separable"] is True
    assert len(found["beyond"]) == len(expected.beyond)
    assert list(found["rows"][0]) == list(pd.read_csv(output).columns)


def test_the_table_is_written_with_all_its_columns(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "made" / "table.csv"
    asked(capsys, labels, "one", "two", "--at", "curve", "--output", output)
    written, expected = pd.read_csv(output), compare("one", "two", runs=labels, at="curve").table
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, rtol=1e-12)
    assert {"dataset", "first_run", "second_run", "band_low", "first_band_high", "p_corrected"} <= set(written)


# --- A third run ------------------------------------------------------------------------------------------------------


def test_beyond_a_run_the_projection_and_the_highest_layer_are_shown() -> None:
    usual: dict[str, Any] = {"given": "pixels", "dataset": "set", "model": "a", "subset": "all", "distance": "cosine"}
    usual |= {"metric": "accuracy_beyond", "ci_low": -0.5, "ci_high": 0.5, "n": 1_234}
    rows = [("layer_0", 0.1), ("layer_1", 0.25), ("projection", float("nan"))]
    table = beyond_table(pd.DataFrame([usual | {"layer": layer, "value": value} for layer, value in rows]))
    assert table.title == "Beyond pixels"
    cells = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert cells["place"] == ["projection", "highest (selected: layer_1)"]
    assert cells["value"] == ["-", "+0.250"]
    assert cells["95 % interval"] == ["-0.500 .. +0.500"] * 2


def test_given_a_label_what_both_say_beyond_it_is_shown_and_written(
    labels: Path, tmp_path: Path, capsys: Capture
) -> None:
    table = tmp_path / "table.csv"
    capsys.readouterr()
    assert main(["compare", "one", "two", "--runs", str(labels), "--given", "pixels", "--output", str(table)]) == 0
    shown = capsys.readouterr()
    assert "Beyond pixels" in shown.out
    assert "log_likelihood_beyond (nats a judgment)" in shown.out
    assert "spearman_beyond: the partial rank correlation" in shown.out
    beside = tmp_path / "table-given.csv"
    assert shown.err.splitlines()[-2:] == [f"wrote {table}", f"wrote {beside}"]
    written = pd.read_csv(beside)
    assert set(written["model"]) == {"one", "two"}
    assert set(written["dataset"]) == {"tid2013", "nights"}


def test_a_folder_may_be_given_too(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    pixels = folder(labels, "pixels", "nights")
    lines = asked(capsys, labels, "one", "two", "--dataset", "nights", "--given", pixels)
    assert any("Beyond pixels" in line for line in lines)
    fewer = write_made(Made("pixels", "nights", 30, as_published), tmp_path / "fewer")
    pair = (folder(labels, label, "nights") for label in ("one", "two"))
    line = refused(capsys, "compare", *pair, "--given", fewer)
    assert "different data" in line or "measure it on the same ones" in line


def test_intervals_over_objects_are_asked_for(tmp_path: Path, capsys: Capture) -> None:
    options = ("--dataset", "shapes-high", "--limit", "400", "--wandb", "off", "--output", tmp_path)
    folders = [run_command(capsys, "--model", model, *options) for model in ("pixels", "ssim")]
    tables = {}
    for over in ("clusters", "objects"):
        place = tmp_path / f"{over}.csv"
        assert main(["compare", *map(str, folders), "--over", over, "--output", str(place)]) == 0
        [tables[over]] = pd.read_csv(place).to_dict("records")
    by_triplet, by_object = tables["clusters"], tables["objects"]
    assert by_object["difference"] == by_triplet["difference"]
    assert by_triplet["interval"] == "cluster jackknife t"
    assert by_object["interval"] == "objects counted once t"
    judgments = pd.read_parquet(folders[0] / "judgments.parquet")
    assert by_object["n_clusters"] == len({name for row in judgments["objects"] for name in row})
    assert by_triplet["n_clusters"] == len({int(row[0]) for row in judgments["cluster"]})
    capsys.readouterr()
    assert "unknown kind of interval 'pictures'" in refused(capsys, "compare", *folders, "--over", "pictures")
    rated = [write_made(Made(model, "nights", 60, as_published), tmp_path) for model in ("pixels", "ssim")]
    assert "does not name the objects of its judgments" in refused(capsys, "compare", *rated, "--over", "objects")
    said = asked(capsys, tmp_path, "pixels", "ssim", "--over", "objects")
    assert "left out: NIGHTS, whose judgments name no objects, which intervals are to be over." in said
    assert "shapes-high" in said[-1], "the data set that has objects is answered"
    named = ("--dataset", "nights,shapes-high", "--runs", tmp_path)
    assert "nights: the first run does not name" in refused(
        capsys, "compare", "pixels", "ssim", "--over", "objects", *named
    )


def as_normalised(folder: Path, copy: Path, calibration: str | None) -> Path:
    """The run as if its one distance were the normalised one, with channel means fitted on these pairs."""
    shutil.copytree(folder, copy)
    [values] = load_file(folder / "distances.safetensors").values()
    save_file({"normalized_euclidean": values}, copy / "distances.safetensors", metadata={"layers": '["image"]'})
    curve = (folder / "curve.csv").read_text()
    (copy / "curve.csv").write_text(curve.replace(",euclidean,", ",normalized_euclidean,"))
    record = json.loads((folder / "run.json").read_text())
    record["settings"]["calibration_fingerprint"] = calibration
    (copy / "run.json").write_text(json.dumps(record))
    return copy


def test_channel_means_that_were_fitted_apart_are_told(runs: list[Path], tmp_path: Path, capsys: Capture) -> None:
    told = "the channel means of the two runs were fitted on different pairs"
    plain, same, other = (
        as_normalised(runs[0], tmp_path / name, calibration)
        for name, calibration in (("plain", None), ("same", None), ("other", "f" * 64))
    )
    assert main(["compare", str(plain), str(same)]) == 0
    assert told not in capsys.readouterr().out
    assert main(["compare", str(plain), str(other)]) == 0
    assert told in capsys.readouterr().out


# --- Wrong input ------------------------------------------------------------------------------------------------------


def test_an_unknown_label_is_refused_with_the_nearest(labels: Path, capsys: Capture) -> None:
    line = refused(capsys, "compare", "one", "tow", "--runs", labels)
    assert line.endswith(f"'tow' is no run folder, and no run in {labels} has that label: did you mean two?")


def test_a_label_of_different_weights_is_refused(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    other = write_labelled(place, "one", "tid2013", settings={"model_fingerprint": "f" * 64})
    line = refused(capsys, "compare", "one", "two", "--runs", place)
    assert "one is the label of different weights, which are never mixed" in line
    assert str(other) in line
    assert str(place / folder(labels, "one", "tid2013").name) in line


def test_runs_of_one_label_that_cannot_be_told_apart_are_refused(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    for label in ("one", "two"):
        write_labelled(place, label, "nights", settings={"tokens": "cls"})
    line = refused(capsys, "compare", "one", "two", "--runs", place)
    assert "it is not clear which to compare: name the folder" in line


def test_a_layer_or_a_distance_that_one_lacks_is_refused(labels: Path, capsys: Capture) -> None:
    line = refused(capsys, "compare", "one", "deep", "--runs", labels, "--at", "layer_20")
    assert "one has no layer layer_20 on tid2013: use projection, best, curve, all or one of its layers, " in line
    line = refused(capsys, "compare", "one", "deep", "--runs", labels, "--distance", "normalized_euclidean")
    assert "deep has no distance normalized_euclidean on tid2013, only cosine" in line


def test_a_folder_of_labels_that_is_not_there_is_refused(tmp_path: Path, capsys: Capture) -> None:
    line = refused(capsys, "compare", "one", "two", "--runs", tmp_path / "nowhere")
    assert f"{tmp_path / 'nowhere'} is no folder, so that no label can be looked for in it" in line


def test_labels_without_a_data_set_in_common_are_refused(labels: Path, tmp_path: Path, capsys: Capture) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    write_labelled(place, "three", "things")
    line = refused(capsys, "compare", "three", "two", "--runs", place)
    assert "the runs share no judgments: three is on things and two is on " in line
    assert "three has no run on nights" in refused(
        capsys, "compare", "three", "two", "--runs", place, "--dataset", "nights"
    )


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    for output, said in (
        ("table.txt", "table.txt has no ending that tells what to write: use .csv"),
        (tmp_path / "file" / "table.csv", f"{tmp_path / 'file' / 'table.csv'}"),
    ):
        assert said in refused(capsys, "compare", "nothing", "nowhere", "--output", output)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("option", ["--distance", "--dataset"])
def test_an_empty_list_of_names_is_refused(labels: Path, capsys: Capture, option: str) -> None:
    assert f"{option} is empty" in refused(capsys, "compare", "one", "two", "--runs", labels, option, ",")


def test_runs_of_one_label_are_called_by_their_folders(runs: list[Path], tmp_path: Path, capsys: Capture) -> None:
    copy = shutil.copytree(runs[0], tmp_path / "again")
    assert main(["compare", str(runs[0]), str(copy)]) == 0
    assert capsys.readouterr().out.startswith(f"{runs[0].name} minus again: whole images, Euclidean, TID2013\n")


# --- Folders that are none of a run ---------------------------------------------------------------------------------


def test_a_folder_of_run_folders_is_none_and_those_in_it_are_named(runs: list[Path], capsys: Capture) -> None:
    place = runs[0].parent
    for folders in ((place, "nowhere"), (runs[0], place)):
        line = refused(capsys, "compare", *folders)
        inside = " or ".join(map(str, sorted(place.iterdir())[:3]))
        assert f"{place} is no run folder: name one of those in it, such as {inside}" in line
        assert "run.json" not in line


def test_a_few_of_many_run_folders_are_named(tmp_path: Path, capsys: Capture) -> None:
    for name in "dbcae":
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
    line = refused(capsys, "compare", tmp_path, tmp_path)
    assert line.endswith(f"such as {tmp_path / 'a'} or {tmp_path / 'b'} or {tmp_path / 'c'}")


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "is not there"), ("file", "is no folder"), ("empty", "is no run folder")]
)
def test_a_place_without_any_run_is_refused(
    runs: list[Path], tmp_path: Path, capsys: Capture, name: str, said: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    line = refused(capsys, "compare", runs[0], tmp_path / name)
    assert line.endswith(f"{tmp_path / name} {said}: name a folder that `alignbench run` made")


def test_a_run_that_lost_its_record_is_to_be_measured_again(runs: list[Path], tmp_path: Path, capsys: Capture) -> None:
    damaged = Path(shutil.copytree(runs[0], tmp_path / "damaged"))
    (damaged / "run.json").unlink()
    assert re.search(r"damaged/run\.json .*: measure it again", refused(capsys, "compare", damaged, runs[1]))


def test_a_damaged_run_among_labels_is_named_and_the_exit_status_is_1(
    labels: Path, tmp_path: Path, capsys: Capture
) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    damaged = folder(place, "two", "nights")
    (damaged / "run.json").write_text("{")
    for options in ((), ("--json",)):
        capsys.readouterr()
        assert main(["compare", "one", "two", "--runs", str(place), *options]) == 1
        out, err = capsys.readouterr()
        assert damaged.name in err
        assert "TID2013" in out
        assert "NIGHTS" not in out


def test_a_wrong_layer_and_a_wrong_label_name_each_choice_once(labels: Path, capsys: Capture) -> None:
    line = refused(capsys, "compare", "one", "two", "--at", "layer_99", "--runs", labels)
    assert line.count("projection") == 1
    line = refused(capsys, "compare", "tow", "one", "--runs", labels)
    assert "did you mean two?" in line
