"""The table of scores has what the run folders have, a row for each run, subset and distance."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from alignbench.report.tables.scores import score_sheet, score_table
from alignbench.study.study import Study
from studies import BASE_16, SIGLIP

MAIN = "normalized_euclidean"


def told(folder: Path, distance: str) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["distance"] == distance]
    return [row for row in rows if row["metric"] in ("spearman", "accuracy")]


@pytest.fixture(scope="module")
def table(study: Study) -> pd.DataFrame:
    return score_table(study.runs, [MAIN])


def test_each_run_has_a_row_and_a_baseline_its_own_distance(table: pd.DataFrame, folders: Path) -> None:
    assert sorted(table["run"]) == sorted(path.name for path in folders.iterdir())
    assert set(table["distance"]) == {MAIN, "ssim"}


def test_numbers_are_those_of_the_run_folders(table: pd.DataFrame, folders: Path) -> None:
    for row in table.to_dict("records"):
        lines = told(folders / row["run"], row["distance"])
        [last] = [line for line in lines if line["layer"] == "projection"] or [None]
        blocks = [line for line in lines if line["layer"] != "projection"]
        best = max(blocks, key=lambda line: float(line["value"]))
        assert (row["best"], row["best_low"], row["best_high"]) == tuple(
            float(best[name]) for name in ("value", "ci_low", "ci_high")
        )
        assert row["best_layer"] == best["layer"]
        if last is not None:
            found = (row["projection"], row["projection_low"], row["projection_high"], row["best_depth"])
            assert found == (*(float(last[name]) for name in ("value", "ci_low", "ci_high")), float(best["depth"]))
        else:
            assert pd.isna(row["projection"])
            assert pd.isna(row["best_depth"])
        assert row["n"] == int(best["n"])
        record = json.loads((folders / row["run"] / "run.json").read_text())
        assert (row["model"], row["precision"]) == (
            record["label"],
            "" if row["kind"] == "baseline" else record["settings"]["precision"],
        )


def test_chance_kind_and_part_are_said(table: pd.DataFrame) -> None:
    assert dict(zip(table["dataset"], table["chance"], strict=True)) == {"tid2013": 0.0, "nights": 0.5}
    kinds = table.set_index("model")["kind"].to_dict()
    assert (kinds[BASE_16], kinds[f"{BASE_16}@random-1"], kinds["ssim"]) == ("model", "untrained", "baseline")
    parts = table.set_index(["dataset", "n"])["part"].to_dict()
    assert parts["tid2013", 100] == "100 of 3,000 ratings"
    assert parts["nights", 40] == "40 of 20,019 triplets"


def test_all_distances_have_rows_of_their_own(study: Study) -> None:
    table = score_table(study.runs, None)
    towers = table[table["kind"] != "baseline"]
    assert towers.groupby("run")["distance"].nunique().eq(2).all()
    assert "distance" in score_sheet(table, study).header


def test_what_is_read_is_rounded_and_says_what_it_is(table: pd.DataFrame, study: Study) -> None:
    sheet = score_sheet(table, study)
    assert len(sheet.rows) == len(table)
    assert "distance" not in sheet.header, "all models have one, which the caption says"
    for cells, row in zip(sheet.rows, table.to_dict("records"), strict=True):
        shown = dict(zip(sheet.header, cells, strict=True))
        assert shown["best"] == f"{row['best']:.3f} [{row['best_low']:.3f}, {row['best_high']:.3f}]"
        assert shown["judgments"] == str(row["n"])
        assert shown["data set"].startswith({"tid2013": "TID2013 (100 of", "nights": "NIGHTS ("}[row["dataset"]])
        if row["kind"] == "baseline":
            assert (shown["projection"], shown["depth"], shown["best layer (selected)"]) == ("-", "-", "-")
    told = sheet.told
    for words in ("normalised Euclidean", "selected on these judgments", "95 % intervals", "Chance is 0 on TID2013"):
        assert words in told
    assert "40 of 20,019 triplets" in told
    assert "simulated" not in told
    assert "precision" in " ".join(study.remarks)
    assert all(remark in told for remark in study.remarks)


def test_how_runs_were_measured_is_in_their_names_where_it_is_not_the_same(table: pd.DataFrame, study: Study) -> None:
    names = {row[0] for row in score_sheet(table, study).rows}
    assert {f"{BASE_16}, all tokens, fp32", f"{SIGLIP}, all tokens, bf16", f"{SIGLIP}, cls tokens, fp32"} <= names
    assert f"{BASE_16}@random-0, all tokens, fp32, untrained" in names
    assert "ssim, baseline" in names
    alike = table[(table["dataset"] == "tid2013")]
    sheet = score_sheet(alike, study)
    assert {BASE_16, "ssim, baseline"} <= {row[0] for row in sheet.rows}
    assert "Paper protocol, all tokens, fp32" in sheet.told


def test_what_is_missing_is_a_dash(table: pd.DataFrame, study: Study) -> None:
    names = ["best_layer", "best_depth", "best", "best_low", "best_high", "projection", "ceiling_low", "ceiling_high"]
    sheet = score_sheet(table.assign(**dict.fromkeys(names)), study)
    shown = dict(zip(sheet.header, sheet.rows[0], strict=True))
    assert {shown[name] for name in ("best layer (selected)", "depth", "best", "projection", "ceiling")} == {"-"}
    assert not any("nan" in cell.lower() or "none" in cell.lower() for row in sheet.rows for cell in row)


@pytest.mark.parametrize(("ends", "text"), [((0.6, 0.6), "0.600"), ((0.6, 0.68), "0.600 to 0.680")])
def test_a_ceiling_is_one_number_or_a_range(
    table: pd.DataFrame, study: Study, ends: tuple[float, float], text: str
) -> None:
    sheet = score_sheet(table.assign(ceiling="noise ceiling", ceiling_low=ends[0], ceiling_high=ends[1]), study)
    assert dict(zip(sheet.header, sheet.rows[0], strict=True))["ceiling"] == text
    assert "Ceiling: noise ceiling on TID2013 and NIGHTS." in sheet.caption
