"""Scores of labelled heads: planted pure, mixed and duplicate heads, with every number worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench.interpret.labelling.measures import BETTER, OF_LABELS_ALONE, JudgedHeads, judged, measures

# texts 0-4 are about label 0, texts 5-9 about label 1, texts 10-14 about label 2
AGREEMENT = np.repeat(np.eye(3, dtype=bool), 5, axis=0)
PURE_0 = [0, 1, 2, 3, 4]
MIXED = [0, 1, 2, 5, 6]  # three of five
PURE_1 = [5, 6, 7, 8, 9]
LOST = [10, 11, 12, 13, 0]  # one of five


def planted() -> JudgedHeads:
    """Two pure heads of one label, a mixed one of it, a pure one of another, a lost one of the third, an abstention."""
    picks = np.array([PURE_0, PURE_0, MIXED, PURE_1, LOST, PURE_1])
    return judged(np.array([0, 0, 0, 1, 0, -1]), picks, AGREEMENT)


def test_planted_heads_have_the_scores_of_the_hand() -> None:
    heads = planted()
    assert heads.shares.tolist() == [1, 1, 0.6, 1, 0.2, 0]
    assert heads.consistency.tolist() == [5, 5, 3, 5, 1, 0]
    assert heads.others.tolist() == [3, 3, 3, 0, 3, 0]
    found = measures(heads)
    assert found == pytest.approx(
        {
            "association_all": 3 / 6,
            "association_some": 4 / 6,
            "association_mean": (1 + 1 + 0.6 + 1 + 0.2) / 6,
            "entangled": 4 / 5,
            "unique": 1 / 5,
            "distinct": 2 / 5,
            "entropy": -(0.8 * math.log2(0.8) + 0.2 * math.log2(0.2)),
            "simpson": 4 * 3 / (5 * 4),
            "redundancy": 1 - 2 / 4,  # four consistent heads, two labels
            "ccs_high": 3 / 6,
            "ccs_moderate": 1 / 6,
            "ccs_low": 2 / 6,
            "labelled": 5 / 6,
        }
    )


def test_different_pure_heads_are_the_best_there_is() -> None:
    heads = judged(np.array([0, 1, 2]), np.array([PURE_0, PURE_1, [10, 11, 12, 13, 14]]), AGREEMENT)
    found = measures(heads)
    for name in ("association_all", "association_some", "association_mean", "unique", "distinct", "ccs_high"):
        assert found[name] == 1
    for name in ("entangled", "simpson", "redundancy", "ccs_moderate", "ccs_low"):
        assert found[name] == 0
    assert found["entropy"] == pytest.approx(math.log2(3))


def test_heads_with_few_texts_count_for_what_they_have() -> None:
    picks = np.array([[0, 1, -1, -1, -1], [-1] * 5, [0, 1, 2, 3, 5]])
    heads = judged(np.array([0, 0, 0]), picks, AGREEMENT)
    assert heads.shares.tolist() == [1, 0, 0.8]
    found = measures(heads)
    assert found["association_all"] == pytest.approx(1 / 3), "a head without texts agrees with nothing"
    assert found["association_some"] == pytest.approx(2 / 3)
    assert (found["ccs_high"], found["ccs_moderate"], found["ccs_low"]) == (0, 0, 0), (
        "one head has five texts, and 4 agree"
    )
    assert np.isnan(heads.consistency[:2]).all()


def test_where_nobody_is_labelled_there_are_no_scores_of_labels() -> None:
    found = measures(judged(np.array([-1, -1]), np.array([PURE_0, PURE_1]), np.zeros((15, 0), dtype=bool)))
    assert found["labelled"] == found["association_mean"] == found["association_all"] == 0
    assert found["ccs_low"] == 1
    for name in ("entangled", "unique", "distinct", "entropy", "simpson", "redundancy"):
        assert np.isnan(found[name])
    assert np.isnan(measures(judged(np.array([0]), np.array([PURE_0]), AGREEMENT))["simpson"]), "one head, no pair"


def test_every_measure_is_said_and_those_of_labels_alone_ignore_texts() -> None:
    first = measures(planted())
    assert list(first) == list(BETTER)
    other = measures(judged(np.array([0, 0, 0, 1, 0, -1]), np.array([LOST] * 6), AGREEMENT))
    assert {name for name in BETTER if first[name] == other[name]} >= set(OF_LABELS_ALONE)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-1, 3), st.lists(st.booleans(), min_size=7, max_size=7)), min_size=1, max_size=12)
)
def test_scores_are_those_of_counting(heads: list[tuple[int, list[bool]]]) -> None:
    labels = [label for label, _ in heads]
    texts = np.arange(7 * len(heads)).reshape(-1, 7)
    agreement = np.zeros((texts.size, 4), dtype=bool)
    for row, (label, agrees) in zip(texts, heads, strict=True):
        agreement[row, label] = agrees  # of -1 the last label, which must not count
    found = measures(judged(np.array(labels), texts, agreement))
    named = [label for label in labels if label >= 0]
    counts = [sum(agrees) if label >= 0 else 0 for label, agrees in heads]
    first = [sum(agrees[:5]) if label >= 0 else 0 for label, agrees in heads]
    assert found["association_all"] == pytest.approx(np.mean([count == 7 for count in counts]))
    assert found["association_some"] == pytest.approx(np.mean([count >= 5 for count in counts]))
    assert found["association_mean"] == pytest.approx(np.mean(counts) / 7)
    assert found["ccs_high"] == pytest.approx(np.mean([count == 5 for count in first]))
    assert found["ccs_low"] == pytest.approx(np.mean([count <= 1 for count in first]))
    if named:
        assert found["entangled"] == pytest.approx(np.mean([named.count(label) > 1 for label in named]))
        assert found["entangled"] + found["unique"] == pytest.approx(1)
    if len(named) > 1:
        pairs = [a == b for i, a in enumerate(named) for j, b in enumerate(named) if i != j]
        assert found["simpson"] == pytest.approx(np.mean(pairs))
    rich = [label for label, count in zip(labels, counts, strict=True) if count >= 5]
    if rich:
        assert found["redundancy"] == pytest.approx((len(rich) - len(set(rich))) / len(rich))
