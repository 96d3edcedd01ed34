"""Nearest centroids against distances in float64, near ties and far origins included."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.alignet.nearest_centroids import NearestCentroid, over_blocks, spread_of, squared_distances
from alignbench.errors import DataError


def distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """All distances in float64."""
    apart: np.ndarray = np.sqrt(((points.astype(np.float64)[:, None] - centroids) ** 2).sum(axis=2))
    return apart


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])  # the second goes the way of other devices
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (300.0, 1.0), (0.0, 1e-4), (-5e3, 1e-2)])
def test_the_nearest_is_that_of_float64(shift: float, scale: float, device: str) -> None:
    rng = np.random.default_rng(1)
    points = (shift + scale * rng.normal(size=(700, 24))).astype(np.float32)
    centroids = points[:30].astype(np.float64) + 1e-7 * scale
    centroids[10:20] = centroids[:10] + 1e-9 * scale  # closer to each other than float32 can tell
    apart = distances(points, centroids)
    least, second = np.sort(apart, axis=1)[:, :2].T
    found, own, others = NearestCentroid(centroids, spread_of(points), device)(points)
    np.testing.assert_array_equal(found, apart.argmin(axis=1))
    clear = second - least > 0.1 * scale
    assert clear.sum() > 50
    assert (own[clear] >= least[clear]).all()
    assert (others <= second).all()
    assert (others[~clear] - own[~clear] <= 0.1 * scale).all(), "it promises more than there is"
    assert (own[clear] - least[clear] < 0.02 * scale).all()
    assert (second[clear] - others[clear] < 0.02 * scale).all(), "it passes over none that it could"


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (300.0, 1.0), (-5e3, 1e-2)])
def test_no_other_is_nearer_than_it_says(shift: float, scale: float) -> None:
    rng = np.random.default_rng(2)
    points = (shift + scale * rng.normal(size=(500, 24))).astype(np.float32)
    centroids = points[:8].astype(np.float64) + 1e-7 * scale
    but = rng.integers(-1, 8, len(points))
    apart = distances(points, centroids)
    apart[but >= 0, but[but >= 0]] = np.inf
    found = NearestCentroid(centroids, spread_of(points)).at_least(points, but)
    least = apart.min(axis=1)
    assert (found <= least).all()
    assert (least - found < 0.05 * scale).all(), "it passes over none that it could"


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_ties_go_to_the_lowest_number(device: str) -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]], dtype=np.float32)
    centroids = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    found, own, others = NearestCentroid(centroids, spread_of(points), device)(points)
    assert found.tolist() == [2, 0, 0]
    assert (others <= own).all()


def test_where_points_lie_is_found_in_one_pass() -> None:
    points = np.random.default_rng(2).normal(7.0, 2.0, size=(5000, 3)).astype(np.float32)
    spread = spread_of(points)
    np.testing.assert_allclose(spread.origin, points.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(spread.variance, points.astype(np.float64).var(axis=0).mean(), rtol=1e-10)
    assert not spread_of(points - 7).origin.any(), "they lie around zero already"
    points[4321, 1] = np.nan
    with pytest.raises(DataError, match="row 4,321 of the points is not finite"):
        spread_of(points)


def test_blocks_come_in_order() -> None:
    points = np.arange(10_000, dtype=np.float64)[:, None]
    found = list(over_blocks(points, lambda start, block: (start, int(block[0, 0]), len(block))))
    assert (
        [start for start, _, _ in found] == [first for _, first, _ in found] == sorted(start for start, _, _ in found)
    )
    assert sum(count for _, _, count in found) == 10_000


def test_squared_distances_by_hand() -> None:
    block = np.array([[1.0, 2.0], [0.0, 0.0]], dtype=np.float32)
    found = squared_distances(block, np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([0, 1]))
    assert found.tolist() == [4.0, 25.0]
