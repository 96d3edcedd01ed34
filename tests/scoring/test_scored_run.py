"""Runs that an earlier version scored: scored anew from what lies in their folder, or refused with a reason."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alignbench.cli.main import main
from alignbench.errors import DataError
from alignbench.results.run_record import SCORING_VERSION
from alignbench.scoring.scored_run import ScoredRun, readable_runs
from alignbench.study.study import read_study
from run_folders import read_record
from studies import BASE_16, Made, as_published, write_made

ENDS = ["ci_low", "ci_high"]


@pytest.fixture(scope="module", params=["tid2013", "nights", "things"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Made(BASE_16, request.param, 120, as_published, ("normalized_euclidean", "cosine"), parts=True)
    return write_made(made, tmp_path_factory.mktemp("runs"))


def aged(fresh: Path, place: Path, **changes: Any) -> Path:
    """A copy as an earlier version left it: without a version, with other intervals."""
    older = place / fresh.name
    shutil.copytree(fresh, older)
    record = read_record(older)
    del record["scoring_version"]
    record["interval"] = dict.fromkeys(record["interval"], "of old")
    (older / "run.json").write_text(json.dumps(record | changes))
    curve = pd.read_csv(
        older / "curve.csv", keep_default_na=False, na_values={"value": "", "ci_low": "", "ci_high": ""}
    )
    curve[ENDS] = curve[ENDS] * 0.5
    curve.to_csv(older / "curve.csv", index=False)
    return older


def test_an_older_run_has_the_curve_that_it_would_have_today(fresh: Path, tmp_path: Path) -> None:
    today, older = ScoredRun(fresh), ScoredRun(aged(fresh, tmp_path))
    assert (today.is_older, older.is_older) == (False, True)
    assert today.record.scoring_version == SCORING_VERSION
    ours, theirs = (run.curve.frame.set_index(["subset", "distance", "layer", "metric"]) for run in (today, older))
    fitted = ours.index.get_level_values("metric") == "pearson_logistic"  # the made-up run was written without the fit
    pd.testing.assert_frame_equal(theirs[~fitted], ours[~fitted])
    assert older.intervals == today.intervals == today.record.interval
    assert older.settings == today.settings, "and so the hash"


def test_readers_take_the_new_intervals(fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = aged(fresh, tmp_path)
    study, _ = read_study([older])
    [run], _ = readable_runs([tmp_path])
    new = ScoredRun(fresh).curve.primary()[ENDS].reset_index(drop=True)
    for curve in (study.runs[0].curve, run.curve):
        pd.testing.assert_frame_equal(curve.primary()[ENDS].reset_index(drop=True), new)
    page = tmp_path / "report.html"
    assert main(["report", str(older), "--output", str(page)]) == 0
    assert "scored anew: an earlier version measured it" in page.read_text(encoding="utf-8")
    capsys.readouterr()


@pytest.mark.parametrize("gone", ["judgments.parquet", "distances.safetensors"])
def test_an_older_run_that_lost_what_is_scored_is_named_and_not_mixed(fresh: Path, tmp_path: Path, gone: str) -> None:
    older = aged(fresh, tmp_path)
    (older / gone).unlink()
    with pytest.raises(DataError, match="was scored by an earlier version and cannot be scored anew") as refused:
        _ = ScoredRun(older).curve
    assert gone in str(refused.value)
    assert str(older) in str(refused.value)
    shutil.copytree(fresh, tmp_path / "fresh")
    runs, lines = readable_runs([tmp_path])
    assert [run.folder.name for run in runs] == ["fresh"]
    assert len(lines) == 1


def test_an_older_run_of_an_unknown_protocol_is_refused(fresh: Path, tmp_path: Path) -> None:
    settings = read_record(fresh)["settings"] | {"protocol": "next"}
    with pytest.raises(DataError, match=r"run\.json lacks what that takes"):
        _ = ScoredRun(aged(fresh, tmp_path, settings=settings)).curve


def test_a_run_of_this_version_reads_no_judgments_for_its_curve(fresh: Path, tmp_path: Path) -> None:
    copy = tmp_path / fresh.name
    shutil.copytree(fresh, copy)
    (copy / "judgments.parquet").unlink()
    assert len(ScoredRun(copy).curve.frame)


def test_standard_errors_of_ratings_give_an_older_run_its_ceilings(tmp_path: Path) -> None:
    made = Made(BASE_16, "tid2013", 600, as_published, ("cosine",), parts=True)
    fresh = write_made(made, tmp_path / "fresh")
    settings = read_record(fresh)["settings"] | {"protocol": "corrected"}
    older = aged(fresh, tmp_path, settings=settings)
    assert not ScoredRun(older).curve.frame["metric"].str.startswith("ceiling").any()
    table = pd.read_parquet(older / "judgments.parquet").assign(error=0.2)
    table.to_parquet(older / "judgments.parquet", index=False)
    frame = ScoredRun(older).curve.frame
    rows = frame[frame["metric"] == "ceiling_pearson"]
    ratings = table.loc[table["subset"] == "all", "value"]
    assert set(rows["subset"]) == {"all"}
    assert rows["value"].to_numpy() == pytest.approx((1 - 0.2**2 / ratings.var()) ** 0.5)
