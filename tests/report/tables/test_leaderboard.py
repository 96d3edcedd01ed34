"""The leaderboard has the scores of the run folders, each in the column it belongs to, and claims no ranks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import UsageError
from alignbench.report.series import main_distances
from alignbench.report.tables.leaderboard import Leaderboard, board_sheet, board_table, lead
from alignbench.report.tables.scores import score_sheet
from alignbench.study.study import Study, read_study
from studies import BASE_16, BASE_32, SIGLIP, Made, as_published, write_made

MAIN = "normalized_euclidean"
TID, NIGHTS = "TID2013 (100 of 3,000 ratings)", "NIGHTS (60 of 20,019 triplets, fp32)"
BF16, CLS = "NIGHTS (60 of 20,019 triplets, bf16)", "NIGHTS (40 of 20,019 triplets, fp32)"


@pytest.fixture(scope="module")
def board(study: Study) -> Leaderboard:
    return lead(study, [MAIN])


def scores(folders: Path, label: str, dataset: str, at: str, **settings: str) -> list[tuple[float, float, float]]:
    """Scores and ends of intervals from the run folders of a label, in the order of their names."""
    found = []
    for folder in sorted(folders.iterdir()):
        record = json.loads((folder / "run.json").read_text())
        if (record["label"], record["dataset"]) != (label, dataset):
            continue
        if any(record["settings"][name] != value for name, value in settings.items()):
            continue
        with (folder / "curve.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["metric"] in ("spearman", "accuracy")]
        rows = [row for row in rows if row["distance"] in (MAIN, "ssim")]
        rows = [
            row for row in rows if row["layer"] == "image" or (row["layer"] == "projection") == (at == "projection")
        ]
        row = max(rows, key=lambda row: float(row["value"]))
        found.append((float(row["value"]), float(row["ci_low"]), float(row["ci_high"])))
    return found


def cell(table: pd.DataFrame, model: str, kind: str, column: str) -> tuple[float, float, float]:
    [row] = table[(table["model"] == model) & (table["kind"] == kind)].to_dict("records")
    return row[column], row[f"{column} low"], row[f"{column} high"]


@pytest.mark.parametrize("at", ["projection", "best"])
def test_scores_are_those_of_the_run_folders(study: Study, folders: Path, at: str) -> None:
    table = board_table(lead(study, [MAIN], at))
    for dataset, column in (
        ("tid2013", TID),
        ("nights", NIGHTS.replace("fp32", "all tokens, fp32") if at == "best" else NIGHTS),
    ):
        for model in (BASE_16, BASE_32):
            assert [cell(table, model, "model", column)] == scores(folders, model, dataset, at)
        assert [cell(table, "ssim", "baseline", column)] == scores(folders, "ssim", dataset, at)


def test_other_ways_of_measuring_have_other_columns(board: Leaderboard, folders: Path) -> None:
    table = board_table(board)
    assert [cell(table, SIGLIP, "model", BF16)] == scores(folders, SIGLIP, "nights", "projection", precision="bf16")
    assert [cell(table, SIGLIP, "model", CLS)] == scores(folders, SIGLIP, "nights", "projection", tokens="cls")
    assert np.isnan(cell(table, SIGLIP, "model", NIGHTS)).all()
    assert np.isnan(cell(table, BASE_16, "model", BF16)).all()
    ssim = scores(folders, "ssim", "nights", "projection")
    assert [cell(table, "ssim", "baseline", BF16)] == ssim, "a baseline has no precision"
    assert np.isnan(cell(table, "ssim", "baseline", CLS)).all(), "these are other judgments"


def test_untrained_twins_are_one_row_of_mean_and_range(board: Leaderboard, study: Study, folders: Path) -> None:
    table = board_table(board)
    values = [scores(folders, f"{BASE_16}@random-{seed}", "tid2013", "projection")[0][0] for seed in range(3)]
    found = cell(table, BASE_16, "untrained", TID)
    assert found == pytest.approx((np.mean(values), min(values), max(values)), abs=1e-15)
    assert table.loc[table["kind"] == "untrained", "seeds"].tolist() == [3]
    sheet = board_sheet(board, study)
    assert f"{BASE_16}, 3 untrained twins" in {row[0] for row in sheet.rows}
    assert "the mean, and in brackets the least and the greatest" in sheet.told


def test_rows_are_sorted_by_the_first_column_and_those_without_a_score_come_last(
    study: Study, board: Leaderboard
) -> None:
    table = board_table(board)
    models = table[~table["kind"].isin(["chance", "ceiling"])]
    known = models[TID].dropna().tolist()
    assert known == sorted(known, reverse=True)
    assert models["model"].iloc[-1] == SIGLIP
    by = board_table(lead(study, [MAIN], sort="nights"))[NIGHTS].iloc[:-1].dropna().tolist()
    assert by == sorted(by, reverse=True)
    assert board_table(lead(study, [MAIN], sort=BF16))["model"].iloc[0] in (SIGLIP, "ssim")
    with pytest.raises(UsageError, match="did you mean nights"):
        lead(study, [MAIN], sort="night")
    with pytest.raises(UsageError, match="projection"):
        lead(study, [MAIN], at="projektion")


def test_each_distance_has_its_row_if_several_are_asked_for(study: Study) -> None:
    board = lead(study, None)
    table = board_table(board)
    assert set(table.loc[table["model"] == BASE_16, "distance"]) == {MAIN, "cosine"}
    assert "distance" in board_sheet(board, study).header


def test_ties_go_by_name(tmp_path: Path) -> None:
    for label in ("c", "a", "b"):
        write_made(Made(BASE_32, "nights", 30, lambda *_: 0.6, label=label), tmp_path)
    table = board_table(lead(read_study([tmp_path])[0], [MAIN]))
    assert table["NIGHTS (30 of 20,019 triplets)"].iloc[:3].nunique() == 1
    assert table["model"].tolist() == ["a", "b", "c", "chance"]


def test_chance_stands_below_all_models_and_no_rank_anywhere(study: Study, board: Leaderboard) -> None:
    sheet = board_sheet(board, study)
    assert sheet.rows[-1] == ("chance", "0.000", "0.500", "0.500", "0.500")
    assert sheet.last == 1
    assert "`alignbench compare`" in sheet.told
    assert "Sorted by TID2013" in sheet.told
    assert "rank " not in sheet.told.lower()
    assert "differ in precision" in sheet.told, "what is not put together is said"


def test_the_best_layer_is_named_and_said_to_be_selected(study: Study) -> None:
    sheet = board_sheet(lead(study, [MAIN], "best"), study)
    [row] = [row for row in sheet.rows if row[0] == BASE_32]
    assert row[1].rpartition(" ")[2].startswith("layer_")
    assert "selected on these judgments" in sheet.told
    assert sheet.title.startswith("Alignment with what people judged at the best layer")


def test_of_runs_alike_the_first_counts_and_no_twin_twice(tmp_path: Path) -> None:
    for label, score, seed in (
        ("m", 0.6, 0),
        ("m", 0.8, 1),
        *((f"m@random-{k % 2}", 0.3 + k / 10, k) for k in range(4)),
    ):
        write_made(
            Made(BASE_32, "nights", 30, lambda *_, score=score: score, label=label, settings={"seed": seed}), tmp_path
        )
    study = read_study([tmp_path])[0]
    assert len(study.runs) == 6
    table = board_table(lead(study, [MAIN]))
    assert table["model"].tolist() == ["m", "m", "chance"]
    assert table["seeds"].tolist()[1] == 2
    first = {run.label: run.folder for run in reversed(study.runs)}
    values = [scores_of(first[f"m@random-{seed}"]) for seed in range(2)]
    low, high = (table[f"NIGHTS (30 of 20,019 triplets) {end}"].iloc[1] for end in ("low", "high"))
    assert [low, high] == sorted(values)
    assert table["NIGHTS (30 of 20,019 triplets)"].iloc[0] == scores_of(first["m"])
    assert any("comparisons take the first" in remark for remark in study.remarks)


def scores_of(folder: Path) -> float:
    """The score of the projection in a run folder."""
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["distance"], row["layer"]) == (MAIN, "projection")]
    [value] = [float(row["value"]) for row in rows if row["metric"] == "accuracy"]
    return value


def test_a_further_run_by_another_distance_leaves_the_table_as_it_is(tmp_path: Path) -> None:
    """Its token view is no column of the projection, where all views are one, and no remark there."""
    for label in (BASE_16, BASE_32):
        write_made(Made(label, "nights", 60, as_published, (MAIN, "cosine")), tmp_path)
    before = board_table(lead(read_study([tmp_path])[0], [MAIN]))
    write_made(Made(BASE_16, "nights", 60, as_published, ("cosine",), settings={"tokens": "cls"}), tmp_path)
    study = read_study([tmp_path])[0]
    assert main_distances([run.curve for run in study.runs]) == (MAIN,)
    for at in ("projection", "best"):
        board = lead(study, [MAIN], at)
        assert len(board.columns) == 1
        assert ("differ in tokens" in board_sheet(board, study).told) == (at == "best")
    pd.testing.assert_frame_equal(board_table(lead(study, [MAIN])), before)


def test_what_a_model_was_trained_on_is_said_in_the_table_and_below_it(tmp_path: Path) -> None:
    told = "trained on NIGHTS' train split"
    for label, details in (("ssim", {"trained_on": told}), ("pixels", {})):
        write_made(Made(label, "nights", 30, lambda *_: 0.6, label=label, details=details), tmp_path)
    study, _ = read_study([tmp_path])
    board = lead(study, [MAIN])
    table = board_table(board).set_index("model")
    [column] = [name for name in table.columns if name.endswith(" trained on")]
    assert column.startswith("NIGHTS")
    assert table[column].dropna().to_dict() == {"ssim": told}
    assert f"NIGHTS all: ssim, {told}." in board_sheet(board, study).told
    assert f"NIGHTS all: ssim, {told}." in score_sheet(board.scores, study).told
    assert set(board.scores.loc[board.scores["model"] == "ssim", "trained_on"]) == {told}


def test_runs_of_one_model_at_other_layers_are_rows_of_their_own(tmp_path: Path) -> None:
    for layers, score in ((None, 0.6), (["stage_1"], 0.7), (["stage_2"], 0.65)):
        settings = {} if layers is None else {"layers": layers}
        given = Made(
            BASE_32, "nights", 60, lambda *_, score=score: score, (MAIN,), label="m@random-0", settings=settings
        )
        write_made(given, tmp_path)
    study, _ = read_study([tmp_path])
    for at in ("projection", "best"):
        table = board_table(lead(study, [MAIN], at))
        rows = table[table["kind"] == "untrained"].set_index("model")
        assert list(rows.index) == ["m [stage_1]", "m [stage_2]", "m"]
        assert rows["seeds"].tolist() == [1, 1, 1]
        assert rows["NIGHTS (60 of 20,019 triplets)"].round(2).tolist() == [0.7, 0.65, 0.6]
    assert len(study.remarks) == 1
    assert study.remarks[0].startswith("m@random-0 was measured at different layers: ")
