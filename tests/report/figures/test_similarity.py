"""Similarity matrices are drawn in one order, in which like pictures stand together, and on one scale."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.report.figures.similarity import similarity_figure, tree_order


def blocks() -> tuple[Floats, list[int]]:
    """Similarities of 15 pictures in three groups, mixed up; and the group of each."""
    rng = np.random.default_rng(4)
    groups = rng.permutation(np.repeat(np.arange(3), 5))
    noise = rng.uniform(0, 0.3, (15, 15))
    return np.where(groups[:, None] == groups, 0.9, 0.1) + (noise + noise.T) / 4, groups.tolist()


@pytest.mark.parametrize("diagonal", [1.0, math.nan])
def test_like_pictures_stand_together(diagonal: float) -> None:
    matrix, groups = blocks()
    np.fill_diagonal(matrix, diagonal)
    order = tree_order(matrix)
    assert sorted(order) == list(range(15))
    shown = [groups[index] for index in order]
    assert sum(one != other for one, other in pairwise(shown)) == 2, "three groups, two borders"
    assert tree_order(matrix[:2, :2]).tolist() == [0, 1]


def shares(matrix: Floats) -> Floats:
    """The share of other pairs that are less alike, pair by pair, counted one by one; equal pairs count half."""
    size = len(matrix)
    pairs = [(row, column) for row in range(size) for column in range(row) if np.isfinite(matrix[row, column])]
    found = np.full((size, size), math.nan)
    np.fill_diagonal(found, 1.0)
    for row, column in pairs:
        others = [matrix[place] for place in pairs if place != (row, column)]
        own = matrix[row, column]
        less = sum((other < own) + 0.5 * (other == own) for other in others) / len(others)
        found[row, column] = found[column, row] = less
    return found


def test_matrices_are_drawn_in_one_order_and_on_one_scale() -> None:
    matrix, _ = blocks()
    noise = np.random.default_rng(5).uniform(-1, 1, (15, 15)).round(1)
    before = noise + noise.T
    before[2, 7] = before[7, 2] = math.nan
    people = np.where(np.eye(15, dtype=bool), math.nan, -100 * matrix)
    for matrices in ({"before": before, "after": matrix}, {"before": before, "after": matrix, "people": people}):
        figure = similarity_figure("cats & dogs", matrices)
        order = tree_order(matrices.get("people", matrix))
        images = [axis.images[0] for axis in figure.axes if axis.images]
        assert len(images) == len(matrices)
        for drawn, (name, whole) in zip(images, matrices.items(), strict=True):
            shown = drawn.get_array().filled(math.nan)
            np.testing.assert_allclose(shown, shares(whole)[np.ix_(order, order)], err_msg=name, atol=1e-12)
            assert drawn.get_clim() == (0.0, 1.0)
        [bar] = [axis for axis in figure.axes if not axis.images]
        assert bar.get_xlabel() == "share of all pairs that are less alike", "one scale, one bar"
        said = figure.get_suptitle()
        assert said.startswith("cats & dogs: 15 pictures")
        assert said.endswith("what people said" if "people" in matrices else "the similarities after")
