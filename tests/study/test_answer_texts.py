"""Sentences and cells of comparisons, word for word."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from alignbench.study.answer_texts import cells, number, p_text, sentences

NAN = math.nan


def row(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "data": "TID2013",
        "part": "",
        "distance": "normalized_euclidean",
        "question": "projection",
    }
    usual |= {"place": "projection", "depth": 100.0, "first": 0.8, "second": 0.695, "difference": 0.105}
    usual |= {"first_layer": "projection", "second_layer": "projection", "ci_low": 0.05, "ci_high": 0.16}
    usual |= {"corrected_low": 0.03, "corrected_high": 0.18, "p": 0.004, "p_corrected": 0.036, "n": 3_000}
    usual |= {"corrected_smallest": 0.09, "separable": True, "questions": 9}
    return usual | changes


def said(*rows: dict[str, Any]) -> list[str]:
    return list(sentences(pd.DataFrame(rows), ("A", "B")))


# --- Sentences --------------------------------------------------------------------------------------------------------


def test_what_is_separable_is_said_with_its_interval_and_p() -> None:
    [sentence] = said(row())
    assert sentence == (
        "projection, normalised Euclidean, TID2013: A above B by 0.105 (0.030 to 0.180): separable "
        "(p 0.004 uncorrected)"
    )
    [alone] = said(row(questions=1))
    assert alone.endswith("separable (p 0.004)")
    [small] = said(row(p=1e-9))
    assert small.endswith("(p < 0.001 uncorrected)")


def test_what_is_not_separable_is_said_with_what_could_be_seen() -> None:
    apart = {"difference": 0.012, "corrected_low": -0.03, "corrected_high": 0.05, "separable": False, "p": 0.5}
    [sentence] = said(row(**apart, corrected_smallest=0.06))
    assert sentence.endswith(
        "A above B by 0.012 (-0.030 to 0.050): not separable (p 0.500 uncorrected); a difference of 0.060 could be seen"
    )
    [unknown] = said(row(**apart, corrected_smallest=NAN))
    assert unknown.endswith("not separable (p 0.500 uncorrected)")


def test_a_lower_score_is_below_with_the_interval_turned_round() -> None:
    [sentence] = said(row(difference=-0.105, corrected_low=-0.18, corrected_high=-0.03))
    assert "A below B by 0.105 (0.030 to 0.180): separable" in sentence
    [level] = said(row(difference=0.0, corrected_low=-0.02, corrected_high=0.03, separable=False))
    assert "A level with B (-0.020 to 0.030): not separable" in level


def test_what_has_no_interval_or_no_score_is_said_so() -> None:
    [without] = said(row(corrected_low=NAN, corrected_high=NAN, p=NAN, separable=False))
    assert without.endswith("A above B by 0.105: no interval, so that it is not known whether they are separable")
    [unscored] = said(row(difference=NAN, second=NAN, separable=False))
    assert unscored.endswith("no score of B (all distances equal?), so that nothing can be compared")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        (
            {"question": "best", "first_layer": "layer_2", "second_layer": "layer_9"},
            "best layer (layer_2 and layer_9, selected)",
        ),
        ({"question": "best", "first_layer": "layer_2", "second_layer": "image"}, "best layer (layer_2, selected)"),
        ({"question": "best", "first_layer": "", "second_layer": ""}, "best layer"),
        ({"question": "layer_3"}, "layer_3"),
        ({"question": "image"}, "whole images"),
    ],
)
def test_the_place_is_named(changes: dict[str, Any], where: str) -> None:
    [sentence] = said(row(**changes))
    assert sentence.startswith(f"{where}, normalised Euclidean, TID2013: ")


def test_how_much_was_judged_and_by_whom_is_said_in_the_sentence_alone() -> None:
    part = row(part="100 of 3,000 ratings")
    assert said(part)[0].startswith("projection, normalised Euclidean, TID2013 (100 of 3,000 ratings): A above B")
    assert shown(part)[0]["data"] == "TID2013"


def test_the_distances_of_a_model_and_a_baseline_are_both_named() -> None:
    [sentence] = said(row(distance="normalized_euclidean / ssim"))
    assert sentence.startswith("projection, normalised Euclidean / ssim, TID2013: ")


def test_each_question_has_a_sentence_and_an_estimate_without_a_test_has_none() -> None:
    found = said(row(), row(question="", place="best layer, cross-fitted"), row(data="NIGHTS"), row(distance="cosine"))
    assert [sentence.partition(":")[0] for sentence in found] == [
        "projection, normalised Euclidean, TID2013",
        "projection, normalised Euclidean, NIGHTS",
        "projection, cosine, TID2013",
    ]


def curve(*signs: int, **changes: Any) -> list[dict[str, Any]]:
    ends = {1: (0.01, 0.1), 0: (-0.05, 0.05), -1: (-0.1, -0.01)}
    return [
        row(question="curve", place="layer", depth=10.0 * index, first_layer=f"layer_{index}", separable=bool(sign))
        | dict(zip(("corrected_low", "corrected_high"), ends[sign], strict=True))
        | {"corrected_smallest": 0.04 + index / 100}
        | changes
        for index, sign in enumerate(signs)
    ]


def test_a_curve_says_at_which_depths_it_lies_apart() -> None:
    [sentence] = said(*curve(1, 1, 0, -1, 0, 1, 1))
    assert sentence == (
        "whole curve, normalised Euclidean, TID2013: A above B between 0 and 10 % depth, below B at 30 % depth and "
        "above B between 50 and 60 % depth: separable there, and nowhere else"
    )
    [nowhere] = said(*curve(0, 0, 0))
    assert nowhere.endswith(
        "A and B lie apart at no depth: not separable; a difference of 0.040 to 0.060 could be seen"
    )
    [unknown] = said(*curve(0, 0, corrected_low=NAN, corrected_high=NAN))
    assert unknown.endswith("no interval at any depth, so that it is not known whether the curves are separable")


def test_depths_keep_the_decimal_that_tells_them_apart() -> None:
    rows = [row | {"depth": depth} for row, depth in zip(curve(1, 1, 0), (2.5, 7.5, 100.0), strict=True)]
    [sentence] = said(*rows)
    assert "above B between 2.5 and 7.5 % depth" in sentence


# --- Cells ------------------------------------------------------------------------------------------------------------


def shown(*rows: dict[str, Any]) -> list[dict[str, str]]:
    return list(cells(pd.DataFrame(rows)))


def test_a_row_is_shown_with_the_interval_that_holds_for_all() -> None:
    [found] = shown(row())
    assert found == {
        "data": "TID2013",
        "distance": "normalised Euclidean",
        "place": "projection",
        "first": "0.800",
        "second": "0.695",
        "difference": "+0.105",
        "95 % interval": "0.030 to 0.180",
        "p": "0.004",
        "corrected p": "0.036",
    }
    [alone] = shown(row(questions=1))
    assert "corrected p" not in alone


def test_an_estimate_without_a_test_keeps_its_own_interval() -> None:
    nothing = dict.fromkeys(("corrected_low", "corrected_high", "p", "p_corrected", "corrected_smallest"), NAN)
    [found] = shown(row(question="", place="best layer, cross-fitted", separable=False) | nothing)
    assert (found["place"], found["95 % interval"], found["p"]) == ("best layer, cross-fitted", "0.050 to 0.160", "-")
    assert found["corrected p"] == "-"


def test_layers_of_a_tower_beside_a_baseline_are_named_whichever_comes_first() -> None:
    after = shown(*curve(1, 0, second_layer="image"))
    before = shown(*(each | {"first_layer": "image", "second_layer": each["first_layer"]} for each in curve(1, 0)))
    assert [each["place"] for each in after] == [each["place"] for each in before] == ["layer_0", "layer_1"]
    [depth] = shown(*curve(1, place="depth", depth=7.46))
    assert depth["place"] == "depth 7.5 %"
    assert "corrected p" in depth


def test_numbers_have_three_decimals_and_what_is_missing_is_a_dash() -> None:
    assert [number(0.5), number(-0.12345), number(0.5, "+"), number(NAN)] == ["0.500", "-0.123", "+0.500", "-"]
    assert [p_text(p) for p in (0.0, 0.0009, 0.001, 0.5, NAN)] == ["<0.001", "<0.001", "0.001", "0.500", "-"]
    missing = dict.fromkeys(("second", "difference", "corrected_low", "corrected_high", "p", "p_corrected"), NAN)
    [found] = shown(row(separable=False) | missing)
    assert [found[name] for name in ("second", "difference", "95 % interval", "p")] == ["-"] * 4


def test_scores_that_no_judgment_tells_apart_are_not_said_to_be_well_known() -> None:
    same = {"difference": 0.0, "corrected_low": 0.0, "corrected_high": 0.0, "separable": False, "p": 1.0}
    [sentence] = said(row(**same, corrected_smallest=0.0))
    assert sentence.endswith(
        "A level with B (0.000 to 0.000): not separable (p 1.000 uncorrected); no judgment tells them apart"
    )
    [tiny] = said(row(**same | {"difference": 1e-17, "corrected_high": 1e-4}, corrected_smallest=2e-4))
    assert "A level with B (" in tiny
    assert tiny.endswith("; a difference of less than 0.001 could be seen")
    [apart] = said(row(difference=2e-4, corrected_low=1e-4, corrected_high=3e-4))
    assert "A above B by less than 0.001 (" in apart


def test_layers_that_are_the_same_say_nothing_of_what_could_be_seen_in_a_curve() -> None:
    rows = [each | {"separable": False} for each in curve(0, 0)]
    for smallest, told in (((0.0, 0.0), "no judgment tells them apart"), ((0.0, 0.05), "a difference of 0.050")):
        [sentence] = said(*(each | {"corrected_smallest": size} for each, size in zip(rows, smallest, strict=True)))
        assert told in sentence
        assert "0.000 to" not in sentence
