"""k-means against scikit-learn's Lloyd from the same start, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import get_num_threads, set_num_threads

from alignbench.alignet import kmeans
from alignbench.alignet.k_means import KMeansOptions
from alignbench.alignet.lloyd import LloydState
from alignbench.errors import DataError, UsageError


def points_of(seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (shift + rng.normal(size=(8, 12))[rng.integers(0, 8, 2500)] + rng.normal(size=(2500, 12))).astype(np.float32)


@pytest.mark.parametrize(
    ("seed", "shift", "tolerance", "lost", "stopped_by"),
    [
        (0, 0.0, 0.0, 0, "assignments"),
        (1, 50.0, 1e-4, 0, "assignments"),
        (2, 0.0, 1e-2, 1, "tolerance"),
        (3, 0.0, 0.0, 0, "iterations"),
    ],
)
def test_clusters_are_scikit_learns(seed: int, shift: float, tolerance: float, lost: int, stopped_by: str) -> None:
    iterations = 4 if stopped_by == "iterations" else 300
    points = points_of(seed, shift)
    start = points[:10].astype(np.float64)
    start[:lost] += 1e4  # far from all points: empty, and refilled
    with threadpool_limits(1):
        theirs = KMeans(10, init=start, n_init=1, tol=tolerance, max_iter=iterations, algorithm="lloyd")
        theirs.fit(points.astype(np.float64))
    heard: list[LloydState] = []
    options = KMeansOptions(iterations=iterations, tolerance=tolerance)
    ours = kmeans(points, 10, options, start, heard.append)
    np.testing.assert_array_equal(ours.assignments, theirs.labels_)
    np.testing.assert_allclose(ours.centroids, theirs.cluster_centers_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.inertia, theirs.inertia_, rtol=1e-9)
    assert ours.iterations == theirs.n_iter_ == len(heard)
    assert ours.stopped_by == stopped_by
    np.testing.assert_array_equal(ours.sizes, np.bincount(theirs.labels_, minlength=10))


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1.0), (1e9, 1.0), (0.0, 1e-25), (0.0, 1e15)])
def test_points_of_float64_keep_their_digits(shift: float, scale: float) -> None:
    points = shift + scale * points_of(7)[:800].astype(np.float64)
    with threadpool_limits(1):
        theirs = KMeans(10, init=points[:10], n_init=1, tol=0, algorithm="lloyd").fit(points)
    ours = kmeans(points, 10, KMeansOptions(tolerance=0.0), points[:10])
    np.testing.assert_array_equal(ours.assignments, theirs.labels_)
    apart = ((points - theirs.cluster_centers_[theirs.labels_]) ** 2).sum()
    np.testing.assert_allclose(ours.inertia, apart, rtol=1e-6 if shift else 1e-12)


def test_nothing_depends_on_threads_or_on_where_points_lie(tmp_path: Path) -> None:
    points = points_of(4)
    np.save(tmp_path / "points.npy", points)
    threads = get_num_threads()
    try:
        set_num_threads(1)
        alone = kmeans(points, 9)
        set_num_threads(3)
        mapped = kmeans(np.load(tmp_path / "points.npy", mmap_mode="r"), 9)
    finally:
        set_num_threads(threads)
    np.testing.assert_array_equal(alone.assignments, mapped.assignments)
    np.testing.assert_array_equal(alone.centroids, mapped.centroids)
    other = kmeans(points, 9, KMeansOptions(device="cpu:0"))  # the way of other devices
    np.testing.assert_array_equal(alone.assignments, other.assignments)


@pytest.mark.parametrize("stopped", [1, 3, 6])
def test_what_was_stopped_goes_on_the_same(stopped: int) -> None:
    points, states = points_of(5), []
    whole = kmeans(points, 7, heard=states.append)
    again = kmeans(points, 7, start=LloydState(**{**vars(states[stopped - 1]), "bounds": None}))
    np.testing.assert_array_equal(whole.assignments, again.assignments)
    np.testing.assert_array_equal(whole.centroids, again.centroids)
    assert whole.iterations == again.iterations > stopped


def test_the_seed_settles_the_start() -> None:
    points = points_of(6)
    one, same, other = (kmeans(points, 5, KMeansOptions(seed, iterations=1)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.centroids, same.centroids)
    assert not np.allclose(one.centroids, other.centroids)


@pytest.mark.parametrize(
    ("clusters", "options", "said"),
    [
        (1, {}, "20 pictures cannot make 1 cluster: ask for 2 to 20"),
        (21, {}, "20 pictures cannot make 21 clusters: ask for 2 to 20"),
        (2, {"iterations": 0}, "0 iterations of k-means are none"),
        (2, {"tolerance": -1.0}, "a tolerance of -1.0 stops nothing"),
        (2, {"seed": -1}, "the seed -1 is out of range"),
    ],
)
def test_what_cannot_be_is_refused(clusters: int, options: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        kmeans(points_of(0)[:20], clusters, KMeansOptions(**options))  # type: ignore[arg-type]


def test_points_that_are_none_are_refused() -> None:
    points = points_of(0)[:20]
    with pytest.raises(UsageError, match=r"points of shape \(20,\) and type float32"):
        kmeans(points[:, 0], 2)
    with pytest.raises(UsageError, match=r"a start of shape \(3, 12\) does not fit"):
        kmeans(points, 2, start=points[:3])
    for value in (np.inf, np.nan, 1e30):  # the square of the last is infinite
        points[7, 2] = value
        with pytest.raises(DataError, match="row 7 of the points is not finite, or too large"):
            kmeans(points, 2)
    with pytest.raises(DataError, match="take only 3 different values, fewer than the 4 clusters"):
        kmeans(np.repeat(np.eye(3, dtype=np.float32), 5, axis=0), 4)


def test_as_many_clusters_as_points_have_one_each() -> None:
    points = points_of(1)[:15]
    found = kmeans(points, 15)
    assert found.sizes.tolist() == [1] * 15
    assert found.inertia == 0
