"""Cross-fitted scores, against loops over folds and left-out clusters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.cross_fit import (
    FOLDS,
    PARTITIONS,
    cross_fitted,
    cross_fitted_by_objects,
    cross_fitted_difference,
    cross_fitted_difference_by_objects,
)
from alignbench.statistics.joint import Estimates, TwoCurves, estimates, of_influences
from alignbench.statistics.scores import rating_replicates

Floats = NDArray[np.float64]


def of_means(x: Floats) -> Estimates:
    value = x.mean(axis=1)
    return of_influences(value, (x - value[:, None]) / x.shape[1])


def partitions(clusters: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [(rng.permutation(clusters) % min(FOLDS, clusters)).tolist() for _ in range(PARTITIONS)]


def by_loops(x: Floats, without: int | None = None) -> float:
    """Choose on the other folds, score on each cluster of one; `x` is (layers, clusters)."""
    layers, clusters = x.shape
    kept = [i for i in range(clusters) if i != without]
    total = 0.0
    for fold in partitions(clusters):
        for i in kept:
            others = [j for j in kept if fold[j] != fold[i]]
            best = max(range(layers), key=lambda layer: sum(x[layer, j] for j in others))
            total += x[best, i] / len(kept)
    return total / PARTITIONS


def jackknife_error(whole: list[float]) -> float:
    count, mean = len(whole), sum(whole) / len(whole)
    return float(np.sqrt((count - 1) / count * sum((each - mean) ** 2 for each in whole)))


# ------------------------------------------------------------------------------------------------ clusters


@pytest.mark.parametrize("clusters", [4, 12])
def test_of_means_it_is_what_loops_give(clusters: int) -> None:
    x = np.random.default_rng(0).normal(0.5, 0.1, (3, clusters))
    found = cross_fitted(of_means(x))
    assert found.value == pytest.approx(by_loops(x))
    assert found.error == pytest.approx(jackknife_error([by_loops(x, j) for j in range(clusters)]))
    reach = stats.t.ppf(0.975, clusters - 1) * found.error
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))
    assert found.share == 1.0
    assert found.target == "the score of the layer that the data choose"


def test_of_rank_correlations_pseudo_values_are_chosen_and_scored_on() -> None:
    rng = np.random.default_rng(1)
    cluster, ratings = np.repeat(np.arange(8), 6), rng.normal(size=48)
    distances = -ratings + rng.normal(size=(3, 48))
    replicates, kind = rating_replicates(distances, ratings, cluster, 0, ("spearman",))
    pseudo = np.empty((3, 8))
    for layer, j in itertools.product(range(3), range(8)):
        kept = cluster != j
        without = stats.spearmanr(-distances[layer][kept], ratings[kept]).statistic
        pseudo[layer, j] = 8 * stats.spearmanr(-distances[layer], ratings).statistic - 7 * without
    # Influences are about the mean of the pseudo-values, so that values stay those of the whole.
    pseudo += replicates["spearman"][:, :1] - pseudo.mean(axis=1, keepdims=True)
    found = cross_fitted(estimates(replicates["spearman"], kind, 8))
    assert found.value == pytest.approx(by_loops(pseudo))
    assert found.error == pytest.approx(jackknife_error([by_loops(pseudo, j) for j in range(8)]))


def test_of_one_layer_it_is_its_mean_with_its_standard_error() -> None:
    x = np.random.default_rng(2).normal(0.5, 0.1, (1, 30))
    found = cross_fitted(of_means(x))
    assert found.value == pytest.approx(x.mean())
    assert found.error == pytest.approx(x.std(ddof=1) / np.sqrt(30))


def test_a_difference_is_taken_in_the_same_partitions() -> None:
    x = np.random.default_rng(3).normal(0.5, 0.1, (5, 10))
    found = cross_fitted_difference(TwoCurves(of_means(x), 2))
    without = [by_loops(x[:2], j) - by_loops(x[2:], j) for j in range(10)]
    assert found.value == pytest.approx(by_loops(x[:2]) - by_loops(x[2:]))
    assert found.error == pytest.approx(jackknife_error(without))


def test_the_highest_of_equal_layers_is_biased_and_the_cross_fitted_one_is_not() -> None:
    rng = np.random.default_rng(4)
    samples = [rng.normal(size=(13, 20)) for _ in range(150)]
    fitted = np.array([cross_fitted(of_means(x)).value for x in samples])
    highest = np.array([x.mean(axis=1).max() for x in samples])
    assert highest.mean() > 0.3
    assert abs(fitted.mean()) < 3.0 * fitted.std() / np.sqrt(len(fitted))


def test_layers_without_a_score_are_left_out() -> None:
    x = np.random.default_rng(5).normal(size=(3, 10))
    gaps = np.insert(x, 1, np.nan, axis=0)
    assert cross_fitted(of_means(gaps)).value == cross_fitted(of_means(x)).value


def test_what_cannot_be_cross_fitted_is_refused() -> None:
    with pytest.raises(DataError, match="needs the influences of clusters"):
        cross_fitted(Estimates(np.zeros(2), np.eye(2), 5.0))
    with pytest.raises(DataError, match="2 layers with a score on 2 clusters: cross-fitting needs 1 and 3"):
        cross_fitted(of_means(np.eye(2)))
    with pytest.raises(DataError, match="0 layers with a score on 9 clusters"):
        cross_fitted(of_means(np.full((2, 9), np.nan)))


# ------------------------------------------------------------------------------------------------- objects


def by_objects_in_loops(right: Floats, objects: NDArray[np.int64], without: int | None) -> tuple[float, float]:
    """The score, and the share of the judgments that is used."""
    count, rng = int(objects.max()) + 1, np.random.default_rng(0)
    values, used = [], 0
    for _ in range(PARTITIONS):
        half = (rng.permutation(count) % 2).tolist()
        inside = [
            [i for i, named in enumerate(objects) if {half[o] for o in named} == {side} and without not in named]
            for side in (0, 1)
        ]
        for one, other in (inside, inside[::-1]):
            means = [np.mean([row[i] for i in one]) for row in right]
            values.append(np.mean([right[int(np.argmax(means))][i] for i in other]))
            used += len(one)
    return float(np.mean(values)), used / PARTITIONS / len(objects)


def test_by_objects_it_is_what_loops_give() -> None:
    rng = np.random.default_rng(6)
    objects = np.argsort(rng.random((500, 12)), axis=1)[:, :3]
    objects[::7, 1] = objects[::7, 0]  # an object may stand in a judgment twice
    right = rng.integers(0, 2, (4, 500)).astype(np.float64)
    found = cross_fitted_by_objects(right, 10 * objects)
    value, share = by_objects_in_loops(right, objects, None)
    assert found.value == pytest.approx(value)
    assert found.share == pytest.approx(share)
    assert 0.1 < share < 0.4
    assert found.error == pytest.approx(jackknife_error([by_objects_in_loops(right, objects, o)[0] for o in range(12)]))


def test_halves_that_hold_too_little_are_refused() -> None:
    objects = np.arange(30).reshape(10, 3)
    with pytest.raises(DataError, match=r"half of the 30 objects holds too few judgments .* cross-fit by triplet"):
        cross_fitted_by_objects(np.ones((2, 10)), objects)


def test_a_difference_by_objects_is_taken_in_the_same_halves() -> None:
    rng = np.random.default_rng(11)
    objects = np.argsort(rng.random((600, 20)), axis=1)[:, :3]
    first, second = rng.random((2, 4, 600)) < np.array([0.6, 0.55])[:, None, None]
    found, (one, other) = cross_fitted_difference_by_objects(first, second, objects)
    alone = cross_fitted_by_objects(first, objects), cross_fitted_by_objects(second, objects)
    assert (one, other) == (alone[0].value, alone[1].value)
    assert found.value == pytest.approx(one - other, abs=1e-15)
    assert found.share == alone[0].share
    itself, _ = cross_fitted_difference_by_objects(first, first, objects)
    assert (itself.value, itself.error) == (0.0, 0.0)
    certain, _ = cross_fitted_difference_by_objects(first, np.ones_like(first), objects)
    assert certain.error == pytest.approx(alone[0].error, rel=1e-12), "what is certain adds no error"
