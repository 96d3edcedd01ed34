"""Rows with intervals that hold together: against t tests at the level of a family, and never at odds with p."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy import stats

from alignbench.study.comparison import ComparedDistance, Question, compared_distances
from alignbench.study.corrected_rows import corrected_rows
from labelled_runs import folder

T_OF_24 = {1: 2.063899, 2: 2.390949, 4: 2.700233}  # quantiles at 1 - 0.025 / questions


def asked(labels: Path, dataset: str, at: str, *distances: str) -> list[ComparedDistance]:
    one, two = (folder(labels, label, dataset) for label in ("one", "two"))
    return compared_distances(one, two, Question(distances or ("normalized_euclidean",), at))


def left_out(labels: Path, layer: int) -> np.ndarray:
    """Differences of Spearman's correlations on TID2013, of all ratings and without each reference."""
    scores = []
    for label in ("one", "two"):
        run = folder(labels, label, "tid2013")
        table = pd.read_parquet(run / "judgments.parquet").sort_values("id")
        distances = load_file(run / "distances.safetensors")["normalized_euclidean"][layer]
        near = -distances[np.stack(table["pairs"].tolist())[:, 0]]
        clusters = np.stack(table["cluster"].tolist())[:, 0]
        kept = [clusters >= 0, *(clusters != cluster for cluster in np.unique(clusters))]
        scores.append([stats.spearmanr(near[some], table["value"].to_numpy()[some]).statistic for some in kept])
    return np.asarray(np.array(scores[0]) - np.array(scores[1]))


@pytest.mark.parametrize("questions", [1, 2, 4])
def test_the_interval_is_that_of_students_t_at_the_level_of_the_family(labels: Path, questions: int) -> None:
    found = asked(labels, "tid2013", "projection") + asked(labels, "nights", "projection") * (questions - 1)
    row = corrected_rows(found).iloc[0]
    value, *others = left_out(labels, -1)
    count = len(others)
    assert count == 25
    error = float(np.sqrt((count - 1) / count * np.sum((np.array(others) - np.mean(others)) ** 2)))
    reach = T_OF_24[questions] * error
    assert (row["corrected_low"], row["corrected_high"]) == pytest.approx((value - reach, value + reach), rel=1e-4)
    assert row["p"] == pytest.approx(2.0 * stats.t.sf(abs(value) / error, 24), rel=1e-6)
    assert row["p_corrected"] == pytest.approx(min(1.0, questions * row["p"]))
    assert row["corrected_smallest"] == pytest.approx((T_OF_24[questions] + 0.841621) * error, rel=1e-4)
    assert row["questions"] == questions


@pytest.mark.parametrize("at", ["projection", "best", "layer_1", "curve", "all"])
@pytest.mark.parametrize("copies", [1, 12])
def test_an_interval_a_p_value_and_the_verdict_say_the_same(labels: Path, at: str, copies: int) -> None:
    found = [each for dataset in ("tid2013", "nights") for each in asked(labels, dataset, at)] * copies
    table = corrected_rows(found)
    tested = table[table["question"] != ""]
    assert set(tested["questions"]) == {2 * copies * (3 if at == "all" else 1)}
    np.testing.assert_array_equal(tested["separable"], tested["p_corrected"] < 0.05)
    apart = (tested["corrected_low"] > 0) | (tested["corrected_high"] < 0)
    np.testing.assert_array_equal(tested["separable"], apart)
    width, plain = (tested[f"{name}_high"] - tested[f"{name}_low"] for name in ("corrected", "ci"))
    if copies > 1 and at != "best":
        assert (width > plain).all()
    assert (tested["corrected_smallest"] >= tested["smallest"] - 1e-12).all()


def test_a_curve_alone_has_the_band_of_its_differences(labels: Path) -> None:
    table = corrected_rows(asked(labels, "tid2013", "curve"))
    np.testing.assert_array_equal(table["corrected_low"], table["band_low"])
    np.testing.assert_array_equal(table["corrected_high"], table["band_high"])
    wider = corrected_rows(asked(labels, "tid2013", "curve") * 5)
    assert (wider["corrected_low"].iloc[:13] < table["band_low"]).all()
    assert (table["p_corrected"] > 2 * table["p"]).sum() > 6, "of 13 layers"


def test_of_one_question_best_layers_have_their_own_interval(labels: Path) -> None:
    [row] = corrected_rows(asked(labels, "nights", "best")).to_dict("records")
    assert (row["corrected_low"], row["corrected_high"]) == (row["ci_low"], row["ci_high"])
    assert (row["p_corrected"], row["corrected_smallest"]) == (row["p"], pytest.approx(row["smallest"]))
    wider = corrected_rows(asked(labels, "nights", "best") * 20).iloc[0]
    assert wider["corrected_low"] < row["ci_low"]
    assert wider["corrected_high"] > row["ci_high"]
    assert wider["p_corrected"] == pytest.approx(min(1.0, 20 * row["p"]))


def test_what_is_no_test_is_no_question(labels: Path) -> None:
    table = corrected_rows(asked(labels, "tid2013", "all"))
    crossed = table[table["place"] == "best layer, cross-fitted"]
    assert len(crossed) == 1
    assert crossed[["corrected_low", "corrected_high", "p_corrected", "corrected_smallest"]].isna().all(axis=None)
    assert not crossed["separable"].any()
    assert set(table["questions"]) == {3}


def test_without_an_interval_nothing_is_separable(labels: Path) -> None:
    [found] = asked(labels, "tid2013", "projection")
    nothing = dict.fromkeys(("ci_low", "ci_high", "p", "smallest", "degrees"), np.nan)
    [row] = corrected_rows([replace(found, rows=[found.rows[0] | nothing])]).to_dict("records")
    assert np.isnan([row["corrected_low"], row["corrected_high"], row["p"], row["p_corrected"]]).all()
    assert not row["separable"]


@pytest.mark.parametrize("dataset", ["tid2013", "nights"])
def test_two_models_turned_round_have_opposite_differences(labels: Path, dataset: str) -> None:
    one, two = (folder(labels, label, dataset) for label in ("one", "two"))
    found, turned = (corrected_rows(compared_distances(*pair, Question())) for pair in ((one, two), (two, one)))
    for low, high in (("ci_low", "ci_high"), ("corrected_low", "corrected_high"), ("band_low", "band_high")):
        np.testing.assert_allclose(found[low], -turned[high], rtol=0, atol=1e-15)
        np.testing.assert_allclose(found[high], -turned[low], rtol=0, atol=1e-15)
    for name in ("p", "p_corrected", "corrected_smallest", "depth"):
        np.testing.assert_allclose(found[name], turned[name], rtol=1e-12)


@pytest.mark.parametrize("dataset", ["tid2013", "nights"])
@pytest.mark.parametrize("copies", [1, 12])
def test_a_corrected_interval_holds_the_plain_one_and_nothing_impossible(
    labels: Path, dataset: str, copies: int
) -> None:
    table = corrected_rows(asked(labels, dataset, "all") * copies)
    table = table[table["question"] != ""]
    assert (table["corrected_low"] <= table["ci_low"]).all()
    assert (table["corrected_high"] >= table["ci_high"]).all()


def test_of_a_skewed_band_the_end_is_widened_to_the_plain_interval_and_p_with_it(labels: Path) -> None:
    [found] = asked(labels, "nights", "curve")
    inside = corrected_rows([found])
    wide = [row | {"ci_low": -0.9, "ci_high": 0.9} for row in found.rows]
    table = corrected_rows([replace(found, rows=wide)])
    assert (inside["corrected_high"] < 0.9).all()
    assert (table["corrected_low"] <= -0.9).all()
    assert (table["corrected_high"] >= 0.9).all()
    assert not table["separable"].any()
    assert (table["p_corrected"] >= 0.05).all()


def test_a_few_choices_differ_by_no_more_than_all_of_them(labels: Path, tmp_path: Path) -> None:
    """Of three clusters t intervals of differences of shares would reach beyond -1 and 1."""
    runs = []
    for label in ("one", "two"):
        run = Path(shutil.copytree(folder(labels, label, "nights"), tmp_path / label))
        judgments = pd.read_parquet(run / "judgments.parquet")
        kept = judgments.head(3)
        kept.to_parquet(run / "judgments.parquet")
        runs.append(run)
    [found] = compared_distances(*runs, Question(("normalized_euclidean",)))
    table = corrected_rows([found] * 20)
    ends = table[[column for column in table if column.endswith(("_low", "_high"))]].to_numpy()
    assert np.nanmin(ends) == -1.0
    assert np.nanmax(ends) == 1.0
