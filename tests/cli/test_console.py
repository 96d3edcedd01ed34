"""What the commands show: the table of scores, the band of untrained twins, and where each is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.table import Table

from alignbench.cli.console import print_json, print_status, print_table, score_table, twin_table
from alignbench.results.layer_curve import COLUMNS, LayerCurve

NOTHING = float("nan")
WAY = {"tokens": "all", "level": "middle", "protocol": "paper", "n": 20_019, "n_clusters": 30}


def curve_of(model: str, *scores: dict[str, Any]) -> LayerCurve:
    """A curve of rows with an interval of 0.1 to either side."""
    usual = {"model": model, "dataset": "nights", "subset": "all", "distance": "cosine", "metric": "accuracy"}
    rows = [
        usual | WAY | {"depth": 50.0, "ci_low": row["value"] - 0.1, "ci_high": row["value"] + 0.1} | row
        for row in scores
    ]
    return LayerCurve(pd.DataFrame(rows)[list(COLUMNS)])


def tower(model: str, first: float, second: float, last: float, **changes: Any) -> list[dict[str, Any]]:
    layers = ("layer_0", "layer_1", "projection")
    return [
        {"layer": layer, "value": value} | changes for layer, value in zip(layers, (first, second, last), strict=True)
    ]


def lines(table: Table) -> list[list[str]]:
    return [list(map(str, cells)) for cells in zip(*(column.cells for column in table.columns), strict=True)]


# --- Scores ---------------------------------------------------------------------------------------------------------


def test_a_row_of_a_tower_has_its_best_layer_and_its_projection() -> None:
    scores = [*tower("m", 0.6, 0.7, 0.8), *tower("m", 0.65, 0.5, 0.55, distance="euclidean")]
    assert lines(score_table([curve_of("m", *scores)], "t")) == [
        ["m", "NIGHTS", "accuracy", "cosine", "layer_1", "0.700", "0.600 .. 0.800", "0.800", "0.700 .. 0.900"],
        ["m", "NIGHTS", "accuracy", "euclidean", "layer_0", "0.650", "0.550 .. 0.750", "0.550", "0.450 .. 0.650"],
    ]


def test_a_part_and_a_subset_of_the_corrected_protocol_are_named() -> None:
    part = [{"layer": "image", "value": 0.5, "n": 30}]
    assert lines(score_table([curve_of("ssim", *part)], "t"))[0][1] == "NIGHTS (30 of 20,019 triplets)"
    corrected = [{"layer": "image", "value": 0.5, "n": 1_824, "subset": "test", "protocol": "corrected"}]
    assert lines(score_table([curve_of("ssim", *corrected)], "t"))[0][1] == "NIGHTS test"
    assert lines(twin_table([curve_of("ssim", *corrected)], "t"))[0][1] == "NIGHTS test"


def test_a_baseline_has_one_score_and_no_projection() -> None:
    [line] = lines(score_table([curve_of("ssim", {"layer": "image", "value": 0.5})], "t"))
    assert line[4:] == ["image", "0.500", "0.400 .. 0.600", "", ""]


def test_scores_and_intervals_that_are_missing_are_dashes() -> None:
    missing = {"ci_low": NOTHING, "ci_high": NOTHING}
    [line] = lines(score_table([curve_of("m", *tower("m", NOTHING, NOTHING, 0.5, **missing))], "t"))
    assert line[4:] == ["-", "-", "-", "0.500", "-"]
    [line] = lines(score_table([curve_of("m", *tower("m", 0.25, NOTHING, 0.5, **missing))], "t"))
    assert line[4:7] == ["layer_0", "0.250", "-"]


@pytest.mark.parametrize(
    ("subset", "shown"), [("all", "NIGHTS"), ("test", "NIGHTS"), ("testset1", "NIGHTS"), ("votes 9", "NIGHTS votes 9")]
)
def test_a_subset_is_named_unless_it_is_the_usual_one(subset: str, shown: str) -> None:
    [line] = lines(score_table([curve_of("m", *tower("m", 0.6, 0.7, 0.8, subset=subset))], "t"))
    assert line[1] == shown


def test_other_metrics_and_breakdowns_are_no_rows() -> None:
    extra = [{"metric": "pearson"}, {"subset": "distortion_01"}]
    scores = [
        row for changes in ({}, *extra) for row in tower("m", 0.6, 0.7, 0.8, **({"metric": "spearman"} | changes))
    ]
    assert len(lines(score_table([curve_of("m", *scores)], "t"))) == 1


def test_an_aligned_layer_has_columns_that_are_empty_for_others() -> None:
    plain, after = tower("m", 0.6, 0.7, 0.8), [{"layer": "projection_aligned", "value": 0.9}]
    table = score_table([curve_of("m", *plain), curve_of("m@turned", *plain, *after)], "t")
    assert [str(column.header) for column in table.columns[-2:]] == ["aligned", "95 % interval"]
    assert [line[-2:] for line in lines(table)] == [["", ""], ["0.900", "0.800 .. 1.000"]]


# --- Twins ----------------------------------------------------------------------------------------------------------


def test_the_band_of_twins_is_over_the_best_layer_of_each() -> None:
    """Each has its best layer elsewhere: 0.7, 0.4 and 0.5, whose mean is 1.6 / 3."""
    scores = [(0.6, 0.7, 0.2), (0.4, 0.3, 0.4), (0.1, 0.5, 0.9)]
    twins = [curve_of(f"m@random-{seed}", *tower("m", *values)) for seed, values in enumerate(scores)]
    [line] = lines(twin_table(twins, "t"))
    assert line[0] == "m, 3 untrained twins"
    assert line[1:4] == ["NIGHTS", "accuracy", "cosine"]
    assert line[4:] == ["0.533", "0.400 .. 0.700", "0.500", "0.200 .. 0.900"]


def test_twins_have_a_row_for_each_subset_and_distance_in_their_order() -> None:
    scores = [
        row
        for subset in ("test", "zebra")
        for distance in ("euclidean", "cosine")
        for row in tower("m", 0.5, 0.5, 0.5, subset=subset, distance=distance)
    ]
    found = lines(twin_table([curve_of(f"a/b@v2@random-{seed}", *scores) for seed in (7, 8)], "t"))
    assert {line[0] for line in found} == {"a/b@v2, 2 untrained twins"}
    assert [(line[1], line[3]) for line in found] == [
        ("NIGHTS", "euclidean"),
        ("NIGHTS", "cosine"),
        ("NIGHTS zebra", "euclidean"),
        ("NIGHTS zebra", "cosine"),
    ]


# --- Where ----------------------------------------------------------------------------------------------------------


def test_a_table_goes_to_stdout_wide_enough_for_a_file_and_status_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("name")
    table.add_row("x" * 150)
    print_table(table)
    print_status("größer")
    told = capsys.readouterr()
    assert "x" * 150 in told.out, "in one piece, whatever the width of the terminal"
    assert told.err == "größer\n"


def read_json(text: str) -> Any:
    """Read JSON as it is defined, without Python's NaN and Infinity."""

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_holds_numbers_as_numbers_and_null_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "name": "größer\n",
        "value": np.float64(0.1),
        "n": np.int64(2**62),
        "odd": float("inf"),
        "none": NOTHING,
        "is": np.bool_(True),
        "folders": (Path("runs/a"), None),
        "scores": np.array([1.5, NOTHING]),
    }
    print_json([row])
    told = capsys.readouterr()
    plain = {"name": "größer\n", "value": 0.1, "n": 2**62, "odd": None, "none": None, "is": True}
    assert read_json(told.out) == [plain | {"folders": ["runs/a", None], "scores": [1.5, None]}]
    assert told.err == ""


def test_a_table_of_pandas_is_an_array_of_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(pd.DataFrame({"layer": ["a", pd.NA], "value": [0.25, np.nan], "n": [1, 2]}))
    rows = read_json(capsys.readouterr().out)
    assert rows == [{"layer": "a", "value": 0.25, "n": 1}, {"layer": None, "value": None, "n": 2}]
    print_json(pd.DataFrame({"layer": []}))
    print_json({"rows": pd.DataFrame({"n": [3]}), "sentences": ["A above B"]})
    out = capsys.readouterr().out
    assert read_json(out.splitlines()[0]) == []
    assert read_json(out.partition("\n")[2]) == {"rows": [{"n": 3}], "sentences": ["A above B"]}


def test_names_stand_letter_by_letter_in_every_part_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets are no markup, and colons no emoji."""
    names = ["[/x]", "[bold]x[/bold]", ":smile:", r"\[red]"]
    table = Table(title=names[0])
    table.add_column(names[1])
    for name in names[2:]:
        table.add_row(name)
    print_table(table)
    told = capsys.readouterr().out
    assert all(name in told for name in names)
    print_table(score_table([curve_of("[/x]", *tower("[/x]", 0.6, 0.7, 0.8))], "[/x] on [bold]nights[/bold]"))
    assert "[/x] on [bold]nights[/bold]" in capsys.readouterr().out
