"""Two models compared from start to end: numbers against plain loops, names, remarks, and how it is shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy import stats

from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.scoring.scored_run import ScoredRun
from alignbench.study.answers import Comparison, compare
from alignbench.study.beyond import beyond
from labelled_runs import copy_labels, folder, write_labelled


@pytest.fixture(scope="module")
def both(labels: Path) -> Comparison:
    """Two labels on both data sets that they share."""
    return compare("one", "two", runs=labels)


def share_right(run: Path) -> np.ndarray:
    """Whether the projection agrees with each judgment of NIGHTS, in the order of the ids."""
    table = pd.read_parquet(run / "judgments.parquet").sort_values("id")
    distances = load_file(run / "distances.safetensors")["normalized_euclidean"][-1]
    closest = distances[np.stack(table["pairs"].tolist())].argmin(axis=1)
    return np.asarray(closest == table["value"].to_numpy(), dtype=np.float64)


# --- Numbers ----------------------------------------------------------------------------------------------------------


def test_labels_are_compared_on_every_data_set_with_intervals_that_hold_together(
    labels: Path, both: Comparison
) -> None:
    assert (both.first, both.second) == ("one", "two")
    assert both.table["dataset"].tolist() == ["tid2013", "nights"]
    assert both.table["questions"].tolist() == [2, 2]
    low, nights = both.table.to_dict("records")
    right = [share_right(folder(labels, label, "nights")) for label in ("one", "two")]
    assert (nights["first"], nights["second"]) == pytest.approx([each.mean() for each in right])
    assert nights["difference"] == pytest.approx(right[0].mean() - right[1].mean())
    gap, (down, up) = right[0] - right[1], (nights["corrected_low"], nights["corrected_high"])
    test = stats.ttest_1samp(gap, 0.0)  # 120 triplets, each its own cluster: a bootstrap is near the t test
    assert (down, up) == pytest.approx(tuple(test.confidence_interval(0.975)), abs=0.2 * (up - down))
    assert nights["p"] == pytest.approx(test.pvalue, abs=0.08)
    assert low["separable"]
    assert low["p_corrected"] == min(1.0, 2 * low["p"]) < 0.05


def test_one_question_alone_has_the_plain_interval(labels: Path, both: Comparison) -> None:
    found = compare("one", "two", runs=labels, dataset="tid2013")
    [row], together = found.table.to_dict("records"), both.table.iloc[0]
    assert (row["corrected_low"], row["corrected_high"]) == pytest.approx((row["ci_low"], row["ci_high"]))
    assert row["corrected_low"] > together["corrected_low"]
    assert found.remarks == ("95 % intervals of paired differences: cluster jackknife t.",)


def test_the_sentences_say_what_stands_in_the_table(both: Comparison) -> None:
    assert len(both.sentences) == 2
    for sentence, row, data in zip(
        both.sentences,
        both.table.to_dict("records"),
        ("TID2013 (100 of 3,000 ratings)", "NIGHTS (120 of 20,019 triplets)"),
        strict=True,
    ):
        side, sign = ("above", 1) if row["difference"] > 0 else ("below", -1)
        ends = sorted(sign * row[name] for name in ("corrected_low", "corrected_high"))
        assert sentence.startswith(f"projection, normalised Euclidean, {data}: one {side} two by ")
        assert f"by {abs(row['difference']):.3f} ({ends[0]:.3f} to {ends[1]:.3f}): " in sentence
        assert (": separable" in sentence) == row["separable"]
    assert both.summary() == "\n".join(both.sentences) == repr(both)


@pytest.mark.parametrize("at", ["projection", "best", "layer_3", "curve"])
def test_what_is_asked_at_a_place_is_what_all_places_say_there(labels: Path, at: str) -> None:
    found = compare("one", "two", runs=labels, dataset="tid2013", at=at).table
    assert found["question"].unique().tolist() == [at]
    every = compare("one", "two", runs=labels, dataset="tid2013", at="all").table
    place = {"layer_3": "layer"}.get(at, at)
    same = every[every["question"] == ("curve" if place == "layer" else at)]
    same = same[same["first_layer"] == "layer_3"] if place == "layer" else same
    columns = ["first", "second", "difference", "ci_low", "ci_high", "p", "band_low"][: 6 if place == "layer" else 7]
    np.testing.assert_allclose(found[columns], same[columns], rtol=1e-12)


def test_models_of_different_depth_are_compared_along_their_curves(labels: Path) -> None:
    found = compare("one", "deep", runs=labels, at="curve")
    assert set(found.table["place"]) == {"depth"}
    assert set(found.table["distance"]) == {"cosine"}
    assert found.sentences[0].startswith("whole curve, cosine, TID2013 (100 of 3,000 ratings): one ")


def test_beside_a_baseline_each_distance_of_the_model_may_be_asked_for(labels: Path) -> None:
    found = compare("one", "pixels", runs=labels, dataset="tid2013", distance="cosine,normalized_euclidean")
    assert found.table["distance"].tolist() == ["normalized_euclidean / euclidean", "cosine / euclidean"]
    images = compare("pixels", "ssim", runs=labels)
    assert images.sentences[0].startswith("whole images, Euclidean / ssim, TID2013")


def test_the_order_of_the_two_only_turns_the_sign(labels: Path, both: Comparison) -> None:
    turned = compare("two", "one", runs=labels)
    for name in ("low", "high"):
        other = {"low": "high", "high": "low"}[name]
        near = 0.1 * (both.table["corrected_high"] - both.table["corrected_low"]).max()
        np.testing.assert_allclose(turned.table[f"corrected_{name}"], -both.table[f"corrected_{other}"], atol=near)
    assert "two below one" in turned.sentences[0]


# --- Names ------------------------------------------------------------------------------------------------------------


def test_runs_paths_and_labels_stand_for_the_same(labels: Path, both: Comparison) -> None:
    one = folder(labels, "one", "tid2013")
    for first in (one, str(one), ScoredRun(one)):
        found = compare(first, "two", runs=labels)
        assert (found.first, found.second, len(found.table)) == ("one", "two", 1)
        assert found.table["difference"].iloc[0] == both.table["difference"].iloc[0]
    assert found.table["first_run"].tolist() == [str(one)]
    assert found.table["second_run"].tolist() == [str(folder(labels, "two", "tid2013"))]


def test_runs_of_one_label_are_called_by_their_folders(labels: Path, tmp_path: Path) -> None:
    one = folder(labels, "one", "tid2013")
    copy = Path(shutil.copytree(one, tmp_path / "again"))
    found = compare(one, copy)
    assert (found.first, found.second) == (one.name, "again")
    assert f"{one.name} level with again" in found.sentences[0]
    deeper = Path(shutil.copytree(one, tmp_path / "place" / one.name))
    assert compare(one, deeper).first == str(one)


def test_simulated_observers_and_shared_judgments_are_said(tmp_path: Path) -> None:
    for label in ("one", "two"):
        write_labelled(tmp_path, label, "tid2013", details={"observers": "simulated observers"})
    [sentence] = compare("one", "two", runs=tmp_path).sentences
    assert "TID2013 (100 of 3,000 ratings; simulated observers): " in sentence
    table = pd.read_parquet(folder(tmp_path, "one", "tid2013") / "judgments.parquet")
    for label, kept in (("one", table.iloc[:80]), ("two", table.iloc[20:])):
        kept.to_parquet(folder(tmp_path, label, "tid2013") / "judgments.parquet")
    [shared] = compare("one", "two", runs=tmp_path).sentences
    assert "TID2013 (60 judgments that both have; simulated observers): " in shared


# --- A third run ------------------------------------------------------------------------------------------------------


def test_what_both_say_beyond_a_third_is_asked_on_every_data_set(labels: Path) -> None:
    found = compare("one", "two", runs=labels, given="pixels").beyond
    assert list(dict.fromkeys(zip(found["dataset"], found["model"], strict=True))) == [
        (dataset, label) for dataset in ("tid2013", "nights") for label in ("one", "two")
    ]
    assert set(found["distance"]) == {"normalized_euclidean"}
    alone = beyond(folder(labels, "two", "tid2013"), folder(labels, "pixels", "tid2013"))
    alone = alone[alone["distance"] == "normalized_euclidean"]
    mine = found[(found["dataset"] == "tid2013") & (found["model"] == "two")]
    np.testing.assert_array_equal(mine["value"], alone["value"])
    assert compare("one", "two", runs=labels).beyond.empty
    with pytest.raises(DataError, match="ssim has no run on nights"):
        compare("one", "two", runs=labels, given="ssim")


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_what_cannot_be_asked_is_refused(labels: Path) -> None:
    with pytest.raises(UsageError, match="unknown kind of interval 'pictures'"):
        compare("one", "two", runs=labels, over="pictures")
    with pytest.raises(UsageError, match="a LayerCurve cannot be compared: give a label, a run folder or a run"):
        compare(ScoredRun(folder(labels, "one", "nights")).curve, "two", runs=labels)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--distance is empty"):
        compare("one", "two", runs=labels, distance=" , ")
    with pytest.raises(UsageError, match="--dataset is empty"):
        compare("one", "two", runs=labels, dataset=())
    with pytest.raises(UsageError, match="tid2013: the first run does not name the objects"):
        compare("one", "two", runs=labels, over="objects")
    with pytest.raises(UsageError, match=r"^the first run does not name the objects"):
        compare("one", "two", runs=labels, over="objects", dataset=["nights"])


# --- As it is shown ---------------------------------------------------------------------------------------------------


def test_a_notebook_shows_the_table_and_the_sentences_with_names_escaped(labels: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder(labels, "one", "nights"), tmp_path / "run"))
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"label": "<b>one</b>"}))
    found = compare(run, folder(labels, "two", "nights"))
    html = found._repr_html_()
    assert "<caption>&lt;b&gt;one&lt;/b&gt; minus two: projection, normalised Euclidean, NIGHTS</caption>" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 2
    assert "<li>projection, normalised Euclidean, NIGHTS (120 of 20,019 triplets): &lt;b&gt;one" in html


def test_what_all_rows_have_in_common_stands_in_the_title(labels: Path, both: Comparison) -> None:
    title, rows = both.titled_cells()
    assert title == "one minus two: projection, normalised Euclidean"
    assert [row["data"] for row in rows] == ["TID2013", "NIGHTS"]
    assert list(rows[0]) == ["data", "first", "second", "difference", "95 % interval", "p", "corrected p"]
    title, rows = compare("one", "two", runs=labels, at="all", distance="all").titled_cells()
    assert title == "one minus two"
    assert list(rows[0])[:3] == ["data", "distance", "place"]


# --- What is left out, and said ---------------------------------------------------------------------------------------


def test_a_damaged_run_among_labels_is_named(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    damaged = folder(place, "two", "nights")
    (damaged / "run.json").write_text("{")
    with pytest.warns(AlignbenchWarning, match=f"{damaged.name}.*cannot be used"):
        found = compare("one", "two", runs=place)
    assert set(found.table["dataset"]) == {"tid2013"}
    assert len(found.skipped) == 1
    whole = [folder(place, label, "tid2013") for label in ("one", "two")]
    assert compare(*whole, runs=place).skipped == (), "folders that are named are all that is read"
