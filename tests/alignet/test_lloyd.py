"""Iterations of Lloyd's algorithm against the same in plain NumPy, and against scikit-learn's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignbench.alignet.lloyd import LloydState, first_state, lloyd_iteration
from alignbench.alignet.nearest_centroids import spread_of
from alignbench.errors import DataError

POINTS = np.random.default_rng(3).normal(size=(3000, 5)).astype(np.float32)


def step(points: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Assignments and means in float64."""
    points = points.astype(np.float64)
    nearest = ((points[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    return nearest, np.stack([points[nearest == cluster].mean(axis=0) for cluster in range(len(centroids))])


def test_iterations_are_those_of_float64() -> None:
    spread, state, centroids = spread_of(POINTS), first_state(POINTS, POINTS[:12]), POINTS[:12].astype(np.float64)
    before = np.full(len(POINTS), -1)
    for iteration in range(1, 25):
        state = lloyd_iteration(POINTS, spread, state)
        nearest, moved = step(POINTS, centroids)
        np.testing.assert_array_equal(state.assignments, nearest)
        np.testing.assert_allclose(state.centroids, moved, rtol=0, atol=1e-12)
        assert state.iteration == iteration
        assert state.changed == int((nearest != before).sum())
        np.testing.assert_allclose(state.shift, ((moved - centroids) ** 2).sum(), rtol=1e-9)
        before, centroids = nearest, moved


def test_a_state_without_bounds_goes_on_the_same() -> None:
    spread, state = spread_of(POINTS), first_state(POINTS, POINTS[:12])
    for _ in range(5):
        state = lloyd_iteration(POINTS, spread, state)
    one, other = (lloyd_iteration(POINTS, spread, each) for each in (state, replace(state, bounds=None)))
    np.testing.assert_array_equal(one.assignments, other.assignments)
    np.testing.assert_array_equal(one.centroids, other.centroids)


def test_empty_clusters_take_the_farthest_points() -> None:
    points = np.array([[0.0], [1.0], [2.0], [9.0], [30.0]], dtype=np.float32)
    start = np.array([[0.0], [1e3], [2e3]])  # of which the last two are nobody's
    found = lloyd_iteration(points, spread_of(points), first_state(points, start))
    assert found.assignments.tolist() == [0] * 5
    assert found.centroids.ravel().tolist() == [1.0, 30.0, 9.0]
    again = lloyd_iteration(points, spread_of(points), found)
    assert again.assignments.tolist() == [0, 0, 0, 2, 1]
    assert again.centroids.ravel().tolist() == [1.0, 30.0, 9.0]


def test_fewer_values_than_clusters_are_refused() -> None:
    points = np.repeat(np.array([[0.0], [1.0]], dtype=np.float32), 4, axis=0)
    state: LloydState = first_state(points, np.array([[0.0], [1.0], [1.0]]))
    with pytest.raises(DataError, match="take only about 2 different values, fewer than the 3 clusters"):
        lloyd_iteration(points, spread_of(points), state)
