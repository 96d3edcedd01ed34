"""Which distances are spared, and that what is spared would have told nothing."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.alignet.lloyd_bounds import Assigner, LloydBounds
from alignbench.alignet.nearest_centroids import Block, NearestCentroid, spread_of

RNG = np.random.default_rng(5)
POINTS = RNG.normal(size=(1500, 6)).astype(np.float32)
CENTROIDS = RNG.normal(size=(40, 6))
SPREAD = spread_of(POINTS)


class Counted(NearestCentroid):
    """Counts of how many points the nearest centroid is asked."""

    asked: list[int]

    def __call__(self, block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.asked.append(len(block))
        return super().__call__(block)


def counted(centroids: np.ndarray, device: str = "cpu") -> Counted:
    found = Counted(centroids, SPREAD, device)
    object.__setattr__(found, "asked", [])
    return found


def assigned(nearest: NearestCentroid, before: np.ndarray, bounds: LloydBounds | None) -> tuple[Assigner, np.ndarray]:
    """Assign points in two blocks; and which have changed."""
    assigner = Assigner(nearest, before, bounds)
    halves = [start + assigner(start, POINTS[start : start + 750]) for start in (0, 750)]
    return assigner, np.concatenate(halves)


def distances(centroids: np.ndarray) -> np.ndarray:
    apart: np.ndarray = np.sqrt(((POINTS.astype(np.float64)[:, None] - centroids) ** 2).sum(axis=2))
    return apart


def test_everything_is_asked_where_nothing_is_known() -> None:
    nearest = counted(CENTROIDS)
    assigner, changed = assigned(nearest, np.full(len(POINTS), -1, dtype=np.int32), None)
    np.testing.assert_array_equal(assigner.assignments, distances(CENTROIDS).argmin(axis=1))
    assert sum(nearest.asked) == len(changed) == len(POINTS)


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])  # the second goes the way of other devices
@pytest.mark.parametrize(("far", "by", "step"), [(0, 0.0, 0.01), (2, 1.5, 0.01), (2, 1.5, 0.0), (40, 1.0, 0.0)])
def test_assignments_and_bounds_hold_after_moves(far: int, by: float, step: float, device: str) -> None:
    moves = step * RNG.normal(size=CENTROIDS.shape)
    moves[:far] += by * RNG.normal(size=(far, 6))
    first, _ = assigned(NearestCentroid(CENTROIDS, SPREAD), np.full(len(POINTS), -1, dtype=np.int32), None)
    moved = CENTROIDS + moves
    bounds = LloydBounds(first.assignments, first.own, first.others, np.sqrt((moves**2).sum(axis=1)))
    nearest = counted(moved, device)
    found, changed = assigned(nearest, first.assignments, bounds)
    apart = distances(moved)
    np.testing.assert_array_equal(found.assignments, apart.argmin(axis=1))
    np.testing.assert_array_equal(changed, np.flatnonzero(found.assignments != first.assignments))
    least, second = np.sort(apart, axis=1)[:, :2].T
    assert (found.own >= least).all()
    assert (found.others <= second).all()
    if far < len(CENTROIDS):
        assert sum(nearest.asked) < len(POINTS) / 2 or device != "cpu", "nothing was spared"
    if far == 2:
        assert set(bounds.moved_far) == {0, 1}


def test_centroids_that_stay_are_not_asked() -> None:
    first, _ = assigned(NearestCentroid(CENTROIDS, SPREAD), np.full(len(POINTS), -1, dtype=np.int32), None)
    bounds = LloydBounds(first.assignments, first.own, first.others, np.zeros(len(CENTROIDS)))
    nearest = counted(CENTROIDS)
    assert not len(assigned(nearest, first.assignments, bounds)[1])
    assert sum(nearest.asked) < 10, "ties alone"
    assert not len(bounds.moved_far)
