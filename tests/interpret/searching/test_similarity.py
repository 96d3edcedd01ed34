"""Similarities against plain loops, and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alignbench.interpret.searching.similarity import nearest, similarities

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


def test_what_has_no_direction_is_like_nothing() -> None:
    assert similarities(np.zeros((2, 3)), np.ones(3), "cosine").tolist() == [0.0, 0.0]
    assert similarities(np.ones((2, 3)), np.ones(3), "centred", is_text=True).tolist() == [0.0, 0.0]


def test_the_nearest_come_first_and_ties_by_number() -> None:
    values = np.array([1.0, 3.0, 2.0, 3.0, -1.0])
    assert nearest(values, 3).tolist() == [1, 3, 2]
    assert nearest(values, 9).tolist() == [1, 3, 2, 0, 4]
    assert nearest(values, 3, without=1).tolist() == [3, 2, 0]
    assert nearest(values, 2, without=0).tolist() == [1, 3]
