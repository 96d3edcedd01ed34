"""Similarities against plain loops, and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alignbench.interpret.searching.similarity import nearest, row_lengths, similarities, similarities_of_pairs

RNG = np.random.default_rng(0)
ROWS, QUERY = RNG.normal(size=(7, 4)).astype(np.float32), RNG.normal(size=4).astype(np.float32)


def plain(row: np.ndarray, query: np.ndarray, measure: str) -> float:  # type: ignore[type-arg]
    product = sum(float(a) * float(b) for a, b in zip(row, query, strict=True))
    return product if measure == "dot" else product / math.hypot(*map(float, row)) / math.hypot(*map(float, query))


@pytest.mark.parametrize("measure", ["dot", "cosine", "centred"])
@pytest.mark.parametrize("is_text", [True, False])
def test_similarities_are_those_of_a_loop(measure: str, is_text: bool) -> None:
    rows, query = ROWS.astype(float), QUERY.astype(float)
    if measure == "centred":
        mean = rows.mean(axis=0)
        rows, query = rows - mean, query if is_text else query - mean
    wanted = [plain(row, query, measure) for row in rows]
    np.testing.assert_allclose(similarities(ROWS, QUERY, measure, is_text), wanted, rtol=1e-6)


@pytest.mark.parametrize("measure", ["dot", "cosine", "centred"])
def test_similarities_of_many_rows_are_those_of_one_product(measure: str) -> None:
    """Of more rows than are looked at together, and far from their mean."""
    rows = np.random.default_rng(1).normal(size=(1_500, 6)).astype(np.float32) + np.float32(3)
    query = rows[700].astype(float)
    wide = rows.astype(float)
    if measure == "centred":
        wide, query = wide - wide.mean(axis=0), query - wide.mean(axis=0)
    lengths = 1.0 if measure == "dot" else np.linalg.norm(wide, axis=1) * np.linalg.norm(query)
    np.testing.assert_allclose(similarities(rows, rows[700], measure), wide @ query / lengths, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("measure", ["dot", "cosine", "centred"])
def test_pairs_are_compared_as_each_with_all(measure: str) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(30, 5)).astype(np.float32)
    pairs = rng.integers(0, 30, size=(1_300, 2))
    every = np.stack([similarities(rows, row, measure) for row in rows])
    np.testing.assert_allclose(similarities_of_pairs(rows, pairs, measure), every[pairs[:, 0], pairs[:, 1]], rtol=1e-12)
    assert similarities_of_pairs(np.zeros((2, 3)), np.array([[0, 1]]), "cosine").tolist() == [0.0]


def test_what_has_no_direction_is_like_nothing() -> None:
    assert similarities(np.zeros((2, 3)), np.ones(3), "cosine").tolist() == [0.0, 0.0]
    assert similarities(np.ones((2, 3)), np.ones(3), "centred", is_text=True).tolist() == [0.0, 0.0]


def test_the_nearest_come_first_and_ties_by_number() -> None:
    values = np.array([1.0, 3.0, 2.0, 3.0, -1.0])
    assert nearest(values, 3).tolist() == [1, 3, 2]
    assert nearest(values, 9).tolist() == [1, 3, 2, 0, 4]
    assert nearest(values, 3, without=1).tolist() == [3, 2, 0]
    assert nearest(values, 2, without=0).tolist() == [1, 3]


@pytest.mark.parametrize("measure", ["cosine", "centred"])
@pytest.mark.parametrize("is_text", [True, False])
def test_known_lengths_change_nothing(measure: str, is_text: bool) -> None:
    known = row_lengths(ROWS, measure)
    found = similarities(ROWS, QUERY, measure, is_text, known)
    np.testing.assert_array_equal(found, similarities(ROWS, QUERY, measure, is_text))
    wide = ROWS.astype(float) - (ROWS.astype(float).mean(axis=0) if measure == "centred" else 0)
    np.testing.assert_allclose(known.lengths, [math.hypot(*row) for row in wide], rtol=1e-12)
