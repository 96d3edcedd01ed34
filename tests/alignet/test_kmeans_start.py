"""The start of k-means: drawn by squared distances, the best of some, and all over the points."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import kmeans_plusplus

from alignbench.alignet.kmeans_start import kmeans_start
from alignbench.alignet.nearest_centroids import spread_of
from alignbench.errors import DataError


def potential(points: np.ndarray, chosen: np.ndarray) -> float:
    points = points.astype(np.float64)
    return float(((points[:, None] - points[chosen]) ** 2).sum(axis=2).min(axis=1).sum())


def test_each_group_gets_one() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(600) % 20
    points = (1e3 * rng.normal(size=(20, 4))[groups] + rng.normal(size=(600, 4))).astype(np.float32)
    for seed in range(5):
        chosen = kmeans_start(points, spread_of(points), 20, seed)
        assert sorted(groups[chosen]) == list(range(20))


def test_it_is_as_good_as_scikit_learns() -> None:
    points = np.random.default_rng(1).normal(size=(400, 3)).astype(np.float32)
    ours = [potential(points, kmeans_start(points, spread_of(points), 12, seed)) for seed in range(40)]
    theirs = [potential(points, kmeans_plusplus(points, 12, random_state=seed)[1]) for seed in range(40)]
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(40)
    assert abs(np.mean(ours) - np.mean(theirs)) < 4 * error
    anywhere = np.random.default_rng(2)
    random = [potential(points, anywhere.choice(400, 12, replace=False)) for _ in range(40)]
    assert np.mean(random) - np.mean(ours) > 8 * error, "drawn by anything else they would be no better"


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_points_close_together_far_from_the_mean_are_told_apart(kind: type) -> None:
    rng = np.random.default_rng(3)
    corners = rng.normal(size=(6, 4)) * 30
    near = (corners[np.arange(300) % 6] + rng.normal(size=(300, 4))).astype(np.float32)
    points = np.concatenate([near + 1e5, near - 1e5]).astype(kind)
    group = np.concatenate([np.arange(300) % 6, 6 + np.arange(300) % 6])
    for seed in range(5):
        assert sorted(group[kmeans_start(points, spread_of(points), 12, seed)]) == list(range(12))


def test_no_two_are_alike() -> None:
    points = np.repeat(np.arange(9, dtype=np.float32)[:, None] + 100, 3, axis=0)
    chosen = kmeans_start(points, spread_of(points), 9, 0)
    assert len(np.unique(points[chosen])) == 9
    with pytest.raises(DataError, match="take only 9 different values, fewer than the 10 clusters"):
        kmeans_start(points, spread_of(points), 10, 0)
