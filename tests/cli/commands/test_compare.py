"""`alignbench compare`: what the table shows, how the two runs are called, and folders that are none of a run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from alignbench.cli.commands.compare import beyond_table, difference_table, remarks
from alignbench.cli.main import main
from run_folders import refused, run_command
from studies import Made, as_published, write_made

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two baselines, whose comparison is a single row, in one folder."""
    root = tmp_path_factory.mktemp("place") / "runs"
    return sorted(write_made(Made(model, "tid2013", 60, as_published), root) for model in ("pixels", "ssim"))


# --- The table ------------------------------------------------------------------------------------------------------


def row(place: str, first_layer: str, second_layer: str, **changes: Any) -> dict[str, Any]:
    usual = {"subset": "all", "distance": "cosine", "metric": "spearman", "place": place, "depth": float("nan")}
    usual |= {"first": 0.75, "second": 0.5, "first_layer": first_layer, "second_layer": second_layer}
    usual |= {
        "difference": 0.25,
        "ci_low": -0.125,
        "ci_high": 0.625,
        "p_holm": 0.0625,
        "n": 12_345,
        "share_used": float("nan"),
        "smallest": 0.5,
        "floored": False,
    }
    return usual | changes


def shown(*rows: dict[str, Any]) -> dict[str, list[str]]:
    """The columns of the printed table, by their headers."""
    table = difference_table(pd.DataFrame(rows), ["a", "b"])
    assert table.title == "a minus b"
    return {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}


def test_places_are_named_by_what_is_compared_there() -> None:
    found = shown(
        row("projection", "projection", "projection"),
        row("best layer", "layer_2", "layer_9"),
        row("layer", "layer_3", "layer_3"),
        row("depth", "", "", depth=7.46),
        row("aligned", "layer_3_aligned", "layer_3_aligned"),
        row("image", "image", "image"),
    )
    assert found["place"] == [
        "projection",
        "best layer (selected: layer_2, layer_9)",
        "layer_3 (pointwise)",
        "depth 7.5 % (pointwise)",
        "layer_3_aligned",
        "image",
    ]


def test_beside_a_baseline_places_are_the_layers_of_the_tower_whichever_comes_first() -> None:
    layers = ("layer_0", "layer_1")
    after = shown(*(row("layer", layer, "image") for layer in layers))["place"]
    before = shown(*(row("layer", "image", layer) for layer in layers))["place"]
    assert before == after == ["layer_0 (pointwise)", "layer_1 (pointwise)"]


def test_what_could_be_seen_stands_beside_what_is_not_separable_only() -> None:
    apart = {"p_holm": 0.01, "ci_low": 0.125}
    found = shown(
        row("projection", "p", "p"),
        row("projection", "p", "p", **apart),
        row("projection", "p", "p", smallest=float("nan")),
        row("projection", "p", "p", p_holm=0.01, ci_low=-0.01),
    )
    assert found["could be seen"] == ["0.500", "", "", "0.500"]


def test_remarks_are_of_what_the_table_holds() -> None:
    plain = remarks(pd.DataFrame([row("projection", "p", "p", smallest=float("nan"))]))
    assert plain == []
    rows = [
        row("best layer", "a", "b", floored=True),
        row("best layer, cross-fitted", "", "", share_used=0.25),
        row("layer", "a", "a"),
    ]
    pointwise, selected, cross_fitted, seen, floored = remarks(pd.DataFrame(rows))
    assert "pointwise" in pointwise
    assert selected.startswith("best layer: selected on these judgments")
    assert "25 % of the judgments at a time; an estimate, not a test" in cross_fitted
    assert "80 % of studies" in seen
    assert floored.startswith("1 intervals may be too narrow")


def test_beyond_a_run_the_projection_and_the_highest_layer_are_shown() -> None:
    usual = {"given": "pixels", "model": "a", "subset": "all", "distance": "cosine", "metric": "accuracy_beyond"}
    usual |= {"ci_low": -0.5, "ci_high": 0.5, "n": 1_234}
    rows = [("layer_0", 0.1), ("layer_1", 0.25), ("projection", float("nan"))]
    table = beyond_table(pd.DataFrame([usual | {"layer": layer, "value": value} for layer, value in rows]))
    assert table.title == "Beyond pixels"
    cells = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert cells["place"] == ["projection", "highest (selected: layer_1)"]
    assert cells["value"] == ["-", "+0.250"]
    assert cells["95 % interval"] == ["-0.500 .. +0.500"] * 2


def test_given_a_run_what_both_say_beyond_it_is_shown_and_written(tmp_path: Path, capsys: Capture) -> None:
    folders = [write_made(Made(model, "nights", 60, as_published), tmp_path) for model in ("ssim", "ms-ssim", "pixels")]
    table = tmp_path / "table.csv"
    assert main(["compare", *map(str, folders[:2]), "--given", str(folders[2]), "--output", str(table)]) == 0
    out = capsys.readouterr().out
    assert "Beyond pixels" in out
    assert "log_likelihood_beyond (nats a judgment)" in out
    assert out.splitlines()[-2:] == [str(table), str(tmp_path / "table-given.csv")]
    written = pd.read_csv(tmp_path / "table-given.csv")
    assert written["model"].tolist() == ["ssim"] * 2 + ["ms-ssim"] * 2
    fewer = write_made(Made("pixels", "nights", 30, as_published), tmp_path / "fewer")
    line = refused(capsys, "compare", *folders[:2], "--given", fewer)
    assert "different data" in line or "measure it on the same ones" in line


def test_small_p_values_are_not_written_as_none() -> None:
    found = shown(*(row("projection", "p", "p", p_holm=p) for p in (0.0, 0.0009, 0.001, 0.5)))
    assert found["p (Holm)"] == ["<0.001", "<0.001", "0.001", "0.500"]


def test_an_output_that_is_no_table_is_wrong_use(runs: list[Path], capsys: Capture) -> None:
    assert "table.txt has no ending of a table: use .csv" in refused(capsys, "compare", *runs, "--output", "table.txt")


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
    rated = [write_made(Made(model, "nights", 60, as_published), tmp_path / "rated") for model in ("pixels", "ssim")]
    assert "does not name the objects of its judgments" in refused(capsys, "compare", *rated, "--over", "objects")


def test_numbers_have_three_decimals_and_what_is_missing_is_a_dash() -> None:
    nothing = float("nan")
    missing = row("projection", "p", "p", second=nothing, difference=nothing, ci_low=nothing, ci_high=nothing)
    found = shown(row("projection", "p", "p"), missing | {"p_holm": nothing, "n": 3})
    assert [found[name] for name in ("first", "second", "difference", "95 % interval", "p (Holm)", "judgments")] == [
        ["0.750", "0.750"],
        ["0.500", "-"],
        ["+0.250", "-"],
        ["-0.125 .. +0.625", "-"],
        ["0.062", "-"],
        ["12,345", "3"],
    ]


# --- The command ----------------------------------------------------------------------------------------------------


def test_runs_of_one_name_are_called_by_their_folders(runs: list[Path], tmp_path: Path, capsys: Capture) -> None:
    copy = shutil.copytree(runs[0], tmp_path / "again")
    assert main(["compare", *map(str, runs)]) == 0
    assert capsys.readouterr().out.startswith("pixels minus ssim ")
    assert main(["compare", str(runs[0]), str(copy)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{runs[0].name} minus again ")
    assert "p (Holm) is corrected for all 1 rows" in out


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


def test_a_table_that_cannot_be_written_is_refused(runs: list[Path], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "table.csv"
    assert f"{output} cannot be written" in refused(capsys, "compare", *runs, "--output", output)


# --- Folders that are none of a run ---------------------------------------------------------------------------------


def test_a_folder_of_run_folders_is_none_and_those_in_it_are_named(runs: list[Path], capsys: Capture) -> None:
    place = runs[0].parent
    for folders in ((place, "nowhere"), (runs[0], place)):
        line = refused(capsys, "compare", *folders)
        assert f"{place} is no run folder: name one of those in it, such as {runs[0]} or {runs[1]}" in line
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


def test_a_run_on_a_part_of_the_data_is_named(runs: list[Path], capsys: Capture) -> None:
    assert main(["compare", *map(str, runs)]) == 0
    out = capsys.readouterr().out
    n = int(pd.read_csv(runs[0] / "curve.csv")["n"].iloc[0])
    assert f"pixels was measured on tid2013 ({n} of 3,000 ratings)." in out
