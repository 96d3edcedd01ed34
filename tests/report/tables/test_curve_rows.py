"""The numbers of a curve in a row for each subset and distance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alignbench.report.tables.curve_rows import curve_rows
from drawn_curves import baseline_curve, tower_curve
from made_curves import curve_of

DISTANCES = ("normalized_euclidean", "euclidean", "cosine")


def test_a_row_for_each_subset_and_distance_in_their_order() -> None:
    curve = curve_of(subset=["b", "b", "a", "a"], distance=["y", "x", "y", "x"])
    found = [(row["subset"], row["distance"]) for row in curve_rows(curve)]
    assert found == [("b", "y"), ("b", "x"), ("a", "y"), ("a", "x")]


def test_a_row_holds_what_stands_in_the_curve() -> None:
    curve = tower_curve("a", distances=DISTANCES)
    rows = list(curve_rows(curve))
    assert [row["distance"] for row in rows] == list(DISTANCES)
    for row in rows:
        of_distance = curve.frame[curve.frame["distance"] == row["distance"]].set_index("layer")
        blocks = of_distance.drop(index="projection")
        best = blocks.loc[blocks["value"] == blocks["value"].max()].iloc[0]
        assert row["best_layer"] == best.name
        names = ("best", "best_low", "best_high", "best_depth")
        assert [row[name] for name in names] == best[["value", "ci_low", "ci_high", "depth"]].tolist()
        last = of_distance.loc["projection"]
        ends = ("projection", "projection_low", "projection_high")
        assert [row[name] for name in ends] == last[["value", "ci_low", "ci_high"]].tolist()
        assert (row["n"], row["metric"], row["chance"], row["part"]) == (100, "spearman", 0.0, "100 of 3,000 ratings")
        assert row["aligned"] is row["ceiling"] is None


def test_only_the_distances_asked_for_and_always_those_of_a_baseline() -> None:
    assert [row["distance"] for row in curve_rows(tower_curve("a", distances=DISTANCES), ("cosine",))] == ["cosine"]
    [row] = curve_rows(baseline_curve("ssim"), ("cosine",))
    assert (row["best_layer"], row["best"], row["best_depth"], row["projection"]) == ("image", 0.4, None, None)


def test_a_ceiling_is_that_of_the_subset() -> None:
    curve = curve_of(
        subset=["a", "b", "b"], metric=["accuracy", "accuracy", "ceiling_published"], value=[0.5, 0.6, 0.8]
    )
    first, second = curve_rows(replace(curve, kind="choice"))
    assert first["ceiling"] is None
    assert (second["ceiling"], second["ceiling_low"], second["ceiling_high"]) == ("noise ceiling, published", 0.8, 0.8)


def test_without_a_score_there_is_no_best_layer() -> None:
    [row] = curve_rows(curve_of(layer="projection", value=float("nan")))
    assert row["best_layer"] is row["best"] is None
    assert row["projection"] == pytest.approx(float("nan"), nan_ok=True)
