"""`alignbench reproduce`: our numbers beside the published ones, what is left out, and wrong input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.cli.main import main
from published_runs import BASE_16, BASE_32, BIOMED, curve_like, published_lines, run_folder
from score_folders import write_scores


def flat(text: str) -> str:
    """What a table says, without its frame."""
    return " ".join(re.sub(r"[│┃]", " ", text).split())


def test_reproduce_shows_the_numbers_and_their_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame["layer"] == "layer_5", ["value", "ci_low", "ci_high"]] += -0.034
        return frame

    folder = run_folder(tmp_path, "one", curve_like(BASE_32, "nights", 0.004, edit=measured))
    assert main(["reproduce", str(folder)]) == 0
    shown = flat(capsys.readouterr().out)
    assert f"{BASE_32} on NIGHTS, normalized_euclidean, accuracy" in shown
    theirs = next(
        float(line["value"])
        for line in published_lines()
        if (line["model"], line["dataset"], line["layer"]) == (BASE_32, "nights", "layer_5")
    )
    ours = theirs - 0.03
    assert f"layer_5 40.2 {ours:.4f} {ours - 0.01:.4f} .. {ours + 0.01:.4f} {theirs:.4f} -0.0300 no no" in shown
    mean = (13 * 0.004 + 0.03) / 14
    assert f"largest difference -0.0300 at layer_5, mean absolute difference {mean:.4f} over 14 values" in shown
    assert "within 0.005 of the published: 13 of 14; largest" in shown
    assert "published inside our interval, which is over other stimuli: 13 of 14" in shown
    summary = f"{BASE_32} nights normalized_euclidean accuracy 20,019 14 {mean:.4f} -0.0300 layer_5 13 of 14 13 of 14"
    assert shown.count(summary) == 1


def test_reproduce_takes_folders_of_runs_and_says_what_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path, "a", curve_like(BASE_32, "tid2013", 0.01))
    run_folder(tmp_path, "b", curve_like(BIOMED, "things", -0.01, edit=lambda f: f.assign(n=500)), limit=500)
    run_folder(tmp_path, "c", curve_like(BASE_32, "tid2013", label=f"{BASE_32}@random-0"))
    run_folder(tmp_path, "d", curve_like("ssim", "tid2013", edit=lambda f: f.assign(distance="one minus ssim")))
    assert main(["reproduce", str(tmp_path), str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    [left] = [line for line in out.splitlines() if "is not compared" in line]
    assert left.startswith(f"{BASE_32}@random-0 on tid2013 is not compared: nothing is published of this model")
    shown = flat(out)
    assert "0.49201 cannot come from the released script" in shown
    assert "note: ours is of 500 judgments, theirs of 15,640" in shown
    assert "0.554 is given for both TID2013 and NIGHTS" in shown
    summary = shown.partition("Ours and the published values")[2]
    assert summary.count("normalized_euclidean spearman 3,000 14 0.0100 +0.0100") == 1, "a run given twice counts once"
    assert summary.count("things normalized_euclidean accuracy 500 14 0.0100 -0.0100") == 1
    assert summary.count("ssim tid2013 one minus ssim spearman 3,000 1 0.0000 +0.0000 image 1 of 1 1 of 1") == 1


def test_reproduce_tells_programs_all_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path / "runs", "a", curve_like(BASE_16, "tid2013", 0.01))
    run_folder(tmp_path / "runs", "b", curve_like(BASE_32, "tid2013", label=f"{BASE_32}@random-0"))
    output = tmp_path / "table.csv"
    assert main(["reproduce", str(tmp_path / "runs"), "--json", "--output", str(output)]) == 0
    told = capsys.readouterr()
    rows, written = json.loads(told.out), pd.read_csv(output, float_precision="round_trip")
    assert [list(row) for row in rows] == [list(written.columns)] * len(written)
    by_paper = [row["difference"] for row in rows if row["distance"] == "normalized_euclidean"]
    np.testing.assert_allclose(by_paper, 0.01, atol=1e-12)
    for name in ("difference", "ours", "published", "depth"):
        assert [row[name] for row in rows] == written[name].tolist()
    assert {row["run"] for row in rows} == {"a"}
    assert f"{BASE_32}@random-0 on tid2013 is not compared" in told.err
    assert str(output) in told.err


def test_an_output_that_cannot_be_is_said_before_runs_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table.csv").mkdir()
    (tmp_path / "file").touch()
    for place in ("table.csv", "file/table.csv"):
        assert main(["reproduce", str(tmp_path / "nowhere"), "--output", str(tmp_path / place)]) == 1
        assert "table.csv cannot be written (" in capsys.readouterr().err
    assert main(["reproduce", str(tmp_path / "nowhere"), "--output", "table.txt"]) == 2
    assert "table.txt has no ending that tells what to write: use .csv" in capsys.readouterr().err


def test_reproduce_writes_all_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path / "runs", "a", curve_like(BASE_16, "tid2013", 0.01))
    run_folder(tmp_path / "runs", "b", curve_like("lpips", "tid2013", label="lpips-alex"))
    output = tmp_path / "new" / "table.csv"
    assert main(["reproduce", str(tmp_path / "runs"), "--output", str(output)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(output)
    table = pd.read_csv(output)
    assert table.groupby("run").size().to_dict() == {"a": 70, "b": 1}
    np.testing.assert_allclose(table["difference"], table["ours"] - table["published"], atol=1e-12)
    last = table.iloc[-1]
    assert (last["model"], last["published_model"], last["published"]) == ("lpips-alex", "lpips", 0.685)
    assert "0.7445 (alex)" in last["note"]
    assert last["inside"]
    assert last["within"]
    assert not table.loc[table["run"] == "a", "within"].any(), "0.01 apart"


def test_a_run_without_any_score_is_shown_without_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = dict.fromkeys(("value", "ci_low", "ci_high"), np.nan)
    folder = run_folder(tmp_path, "a", curve_like("ssim", "nights", edit=lambda f: f.assign(**nothing)))
    assert main(["reproduce", str(folder)]) == 0
    assert "no difference: ours has no score there" in flat(capsys.readouterr().out)


def test_nothing_to_compare_is_one_line_and_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path, "a", curve_like(BASE_32, "tid2013", label="shapes-clip"))
    assert main(["reproduce", str(tmp_path), "--output", str(tmp_path / "table.csv")]) == 1
    said = capsys.readouterr()
    assert "shapes-clip on tid2013 is not compared" in said.out
    [line] = said.err.splitlines()
    assert "none of these runs has a published counterpart" in line
    assert not (tmp_path / "table.csv").exists()


def test_an_output_that_is_no_table_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path, "a", curve_like(BASE_32, "tid2013"))
    assert main(["reproduce", str(folder), "--output", "table.xlsx"]) == 2
    assert "use .csv" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path / "runs", "a", curve_like(BASE_32, "tid2013"))
    (tmp_path / "file").write_text("")
    assert main(["reproduce", str(folder), "--output", str(tmp_path / "file" / "table.csv")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line


def test_a_record_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path, "a", curve_like(BASE_32, "tid2013"))
    (folder / "run.json").write_text("{")
    assert main(["reproduce", str(folder)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "run.json" in line


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "is not there"), ("file", "is a file"), ("deeper", "holds no run folder")]
)
def test_a_place_without_runs_is_named_and_none_is_said_to_be_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (tmp_path / "file").touch()
    run_folder(tmp_path / "deeper" / "runs", "a", curve_like("ssim", "nights"))
    assert main(["reproduce", str(tmp_path / name)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / name} {said}: give a folder that `alignbench run` made" in line


def test_a_part_never_passes_as_reproduced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path, "a", curve_like(BASE_32, "nights", edit=lambda f: f.assign(n=100)))
    output = tmp_path / "table.csv"
    assert main(["reproduce", str(folder), "--output", str(output)]) == 0
    shown = flat(capsys.readouterr().out)
    assert f"{BASE_32} on NIGHTS (100 of 20,019 triplets), normalized_euclidean" in shown
    assert "no reproduction, as ours is of 100 of 20,019 triplets: largest difference" in shown
    assert "14 of 14" not in shown
    table = pd.read_csv(output)
    assert table[["inside", "within"]].isna().all(axis=None)
    assert set(table["part"]) == {"100 of 20,019 triplets"}


@pytest.mark.parametrize("text", ["{", "[]", '{"label": 1, "settings": {}}'])
def test_an_odd_folder_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    run_folder(tmp_path, "a", curve_like("ssim", "nights"))
    odd = run_folder(tmp_path, "b", curve_like("ssim", "tid2013"))
    (odd / "run.json").write_text(text)
    assert main(["reproduce", str(tmp_path)]) == 1
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert f"{odd / 'run.json'} cannot be used" in line
    assert "ssim on NIGHTS" in said.out
    assert "tid2013" not in said.out


def test_scores_of_heads_stand_beside_the_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scored = write_scores(tmp_path / "heads/a__scores__0", BASE_32, values={"entangled": 0.75, "unique": 0.25})
    write_scores(tmp_path / "heads/b__scores__0", "shapes-clip")
    assert main(["reproduce", str(tmp_path / "heads"), "--output", str(tmp_path / "out.csv")]) == 0
    out = capsys.readouterr().out
    shown = flat(out)
    assert "unique 48 0.250 0.150 .. 0.350 0.437 -0.187" in shown
    assert "ccs_low 48 0.500 0.400 .. 0.600 0.083 +0.417" in shown
    assert "b__scores__0 is not compared: nothing is published of heads of shapes-clip" in " ".join(out.split())
    assert "published entanglement looks like the share of heads with a label of their own (unique)" in shown
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["run"].unique().tolist() == [scored.name]
    assert table["within"].isna().all()
    run = run_folder(tmp_path, "one", curve_like(BASE_32, "nights", 0.004))
    assert main(["reproduce", str(run), str(tmp_path / "heads"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["run"] for row in rows} == {"one", scored.name}
