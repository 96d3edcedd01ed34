"""What a similarity is made of: shares against plain float64, and their sum against the value of the neighbour."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.errors import UsageError
from alignbench.interpret.searching.neighbours import (
    HeadRows,
    Neighbours,
    picture_neighbours,
    property_neighbours,
    text_neighbours,
)
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.searching.why import HeadTextDirections, Why, why

RNG = np.random.default_rng(3)
ROWS = {(5, 3): RNG.normal(size=(9, 6)), (6, 0): RNG.normal(size=(9, 6)) + 1.0}
TEXT = RNG.normal(size=6)
PICKS = {
    head: HeadTextDirections(texts, np.linalg.qr(RNG.normal(size=(6, len(texts))))[0].T)
    for head, texts in {(5, 3): ("a dog", "red"), (6, 0): ("night", "two cats", "a dog")}.items()
}


def heads(query: int | Floats) -> list[HeadRows]:
    return [HeadRows(head, rows, rows[query] if isinstance(query, int) else query) for head, rows in ROWS.items()]


def by_hand(head: tuple[int, int], query: int | Floats, found: int, measure: str) -> tuple[list[float], float]:
    """Shares of the texts of one head, and the similarity; without a matrix product."""
    rows = ROWS[head]
    asked = rows[query] if isinstance(query, int) else query
    shown = rows[found]
    if measure == "centred":
        mean = sum(rows) / len(rows)
        shown = shown - mean
        asked = asked - mean if isinstance(query, int) else asked
    scale = 1.0 if measure == "dot" else 1.0 / (sum(asked**2) * sum(shown**2)) ** 0.5
    return [sum(e * asked) * sum(e * shown) * scale for e in PICKS[head].directions], sum(asked * shown) * scale


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("analysis", ["property", "picture", "text"])
def test_shares_add_up_to_the_value_of_the_neighbour(analysis: str, measure: str) -> None:
    query: int | Floats = TEXT if analysis == "text" else 2
    cases: list[tuple[list[HeadRows], Neighbours]]
    if analysis == "property":
        cases = [(heads(2), property_neighbours(heads(2), 8, measure, 2))]
    elif analysis == "picture":
        cases = [([each], found) for each in heads(2) for found in picture_neighbours([each], 8, measure, 2)]
    else:
        cases = [([each], found) for each in heads(TEXT) for found in text_neighbours([each], 9, measure)]
    for of, found in cases:
        for number, value in zip(found.pictures, found.values, strict=True):
            said = why(of, int(number), PICKS, measure, is_text=analysis == "text")
            assert said.heads == found.heads
            assert said.value == pytest.approx(value, rel=0, abs=1e-12)
            assert sum(each.value for each in said.shares) + said.rest == pytest.approx(value, rel=0, abs=1e-12)
            _check_shares(said, query, int(number), measure)


def _check_shares(said: Why, query: int | Floats, found: int, measure: str) -> None:
    assert len(said.shares) == sum(len(PICKS[head].texts) for head in said.heads)
    rest = 0.0
    for head in said.heads:
        wanted, whole = by_hand(head, query, found, measure)
        rest += (whole - sum(wanted)) / len(said.heads)
        mine = sorted((each for each in said.shares if each.head == head), key=lambda each: each.pick)
        assert [each.pick for each in mine] == list(range(1, len(wanted) + 1))
        assert tuple(each.text for each in mine) == PICKS[head].texts
        np.testing.assert_allclose([each.value * len(said.heads) for each in mine], wanted, rtol=0, atol=1e-12)
    assert said.rest == pytest.approx(rest, rel=0, abs=1e-12)
    sizes = [abs(each.value) for each in said.shares]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_head_that_says_one_text_is_near_by_this_text_alone(measure: str) -> None:
    says = np.array([0.6, 0.8, 0.0])
    rows = np.outer([1.0, 2.0, -3.0, 0.5], says)
    picks = {(1, 0): HeadTextDirections(("red", "a dog"), np.stack([says, [0.8, -0.6, 0.0]]))}
    said = why([HeadRows((1, 0), rows, rows[1])], 0, picks, measure)
    assert (said.shares[0].text, said.shares[0].pick) == ("red", 1)
    assert said.shares[0].value == pytest.approx(said.value, rel=1e-12)
    assert said.value == pytest.approx({"dot": 2.0, "cosine": 1.0, "centred": 1.0}[measure], rel=1e-12)
    assert said.shares[1].value == pytest.approx(0.0, abs=1e-12)
    assert said.rest == pytest.approx(0.0, abs=1e-12)


def test_what_has_no_direction_has_no_shares() -> None:
    rows = np.array([[0.0, 0.0], [1.0, 2.0]])
    picks = {(1, 0): HeadTextDirections(("red",), np.array([[1.0, 0.0]]))}
    for query in (rows[0], rows[1]):
        said = why([HeadRows((1, 0), rows, query)], 0, picks, "cosine")
        assert (said.value, said.shares[0].value, said.rest) == (0.0, 0.0, 0.0)


def test_bad_input_is_named() -> None:
    for found, measure, picks, said in (
        (9, "dot", PICKS, "there is no picture 9: they are counted from 0 to 8"),
        (-1, "dot", PICKS, "there is no picture -1"),
        (0, "l2", PICKS, "unknown --measure 'l2'"),
        (0, "dot", {(5, 3): PICKS[5, 3]}, "there are no texts of head 6.0: give texts of all heads"),
    ):
        with pytest.raises(UsageError, match=said):
            why(heads(2), found, picks, measure)
    with pytest.raises(UsageError, match="no head is given"):
        why([], 0, PICKS)
