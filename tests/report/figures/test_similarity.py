"""Similarity matrices are drawn in one order, in which like pictures stand together, each with a scale of its own."""

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


def test_matrices_are_drawn_in_one_order_with_scales_of_their_own() -> None:
    matrix, _ = blocks()
    before = np.random.default_rng(5).uniform(-1, 1, (15, 15))
    people = np.where(np.eye(15, dtype=bool), math.nan, -before)
    for matrices in ({"before": before, "after": matrix}, {"before": before, "after": matrix, "people": people}):
        figure = similarity_figure("cats & dogs", matrices)
        order = tree_order(matrices.get("people", matrix))
        images = [axis.images[0] for axis in figure.axes if axis.images]
        assert len(images) == len(matrices)
        for drawn, (name, whole) in zip(images, matrices.items(), strict=True):
            np.testing.assert_array_equal(drawn.get_array().filled(math.nan), whole[np.ix_(order, order)])
            ends = np.quantile(whole[~np.eye(15, dtype=bool)], [0.01, 0.99])
            np.testing.assert_allclose(drawn.get_clim(), ends, err_msg=name)
        said = figure.get_suptitle()
        assert said.startswith("cats & dogs: 15 pictures")
        assert said.endswith("what people said" if "people" in matrices else "the similarities after")
