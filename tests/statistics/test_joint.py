"""Scores that are known together, against loops, exact distributions and t tests on drawn data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.choice_scores import Resampled
from alignbench.statistics.joint import (
    Deviations,
    Estimates,
    differences,
    estimates,
    jointly,
    of_influences,
    quantile,
    shrunk,
    standard_errors,
)
from alignbench.statistics.scores import rating_replicates

Floats = NDArray[np.float64]
BOOTSTRAP, JACKKNIFE = "percentile cluster bootstrap", "cluster jackknife t"
EVERY = slice(None)


def scores_of_clusters(layers: int, clusters: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0.5, 0.1, (layers, clusters)).cumsum(axis=0) / layers


def of_means(x: Floats) -> Estimates:
    value = x.mean(axis=1)
    return of_influences(value, (x - value[:, None]) / x.shape[1])


# ---------------------------------------------------------------------------------------------- estimates


def test_of_means_it_is_the_covariance_of_means() -> None:
    x = scores_of_clusters(4, 30)
    found = of_means(x)
    assert found.covariance == pytest.approx(np.cov(x) / 30, rel=1e-12)
    assert found.degrees == 29
    replicates = np.column_stack([x.mean(axis=1), *(np.delete(x, j, axis=1).mean(axis=1) for j in range(30))])
    other = estimates(replicates, JACKKNIFE, 30)
    assert other.covariance == pytest.approx(np.cov(x) / 30, rel=1e-9)
    assert other.influences == pytest.approx(found.influences, abs=1e-12)


def test_of_rank_correlations_it_is_the_covariance_of_pseudo_values() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(7), 8)
    distances, ratings = rng.normal(size=(3, 56)), rng.normal(size=56)
    replicates, kind = rating_replicates(distances, ratings, cluster, 0, ("spearman",))
    found = estimates(replicates["spearman"], kind, 7)
    pseudo = np.empty((3, 7))
    for layer, j in itertools.product(range(3), range(7)):
        kept = cluster != j
        without = stats.spearmanr(-distances[layer][kept], ratings[kept]).statistic
        pseudo[layer, j] = 7 * stats.spearmanr(-distances[layer], ratings).statistic - 6 * without
    assert found.covariance == pytest.approx(np.cov(pseudo) / 7, rel=1e-9)
    assert found.degrees == 6


def test_of_accuracies_the_residuals_are_the_influences() -> None:
    right = np.random.default_rng(2).integers(0, 2, (2, 40)).astype(np.float64)
    ratio = Resampled(np.repeat(np.arange(20), 2)[:, None], 0).mean(right)
    by_cluster = right.reshape(2, 20, 2).mean(axis=2)
    assert of_influences(ratio.value, ratio.residuals).covariance == pytest.approx(np.cov(by_cluster) / 20)


def test_of_a_bootstrap_it_is_the_covariance_of_resamples() -> None:
    x = scores_of_clusters(3, 120)
    weights, kind = cluster_weights(120, 0)
    replicates = x @ weights.T / 120
    found = estimates(replicates, kind, 120)
    mean = [sum(row[1:]) / 1000 for row in replicates]
    for i, j in itertools.product(range(3), range(3)):
        products = ((a - mean[i]) * (b - mean[j]) for a, b in zip(replicates[i, 1:], replicates[j, 1:], strict=True))
        assert found.covariance[i, j] == pytest.approx(sum(products) / 999)
    assert found.covariance == pytest.approx(np.cov(x) / 120, rel=0.2)
    assert (found.degrees, found.influences) == (119, None)


def test_resamples_without_a_score_say_nothing_and_a_layer_without_one_stays_without() -> None:
    replicates = np.random.default_rng(3).normal(size=(3, 200))
    damaged = replicates.copy()
    damaged[0, 7] = np.nan
    damaged[2] = np.nan
    found = estimates(damaged, BOOTSTRAP, 120)
    assert found.covariance[:2, :2] == pytest.approx(np.cov(np.delete(replicates[:2], [0, 7], axis=1)))
    assert np.isnan(found.covariance[2]).all()
    assert not found.is_known


@pytest.mark.parametrize(("replicates", "kind"), [(1, "none"), (2, BOOTSTRAP), (2, JACKKNIFE)])
def test_too_few_replicates_have_no_interval(replicates: int, kind: str) -> None:
    found = estimates(np.full((2, replicates), 0.5), kind, replicates - 1)  # type: ignore[arg-type]
    assert np.isnan(found.covariance).all()
    assert not found.is_known


def test_two_models_are_known_together() -> None:
    x = scores_of_clusters(5, 12)
    replicates = np.column_stack([x.mean(axis=1), *(np.delete(x, j, axis=1).mean(axis=1) for j in range(12))])
    curves = jointly(replicates[:2], replicates[2:], JACKKNIFE, 12)
    assert curves.both.covariance == pytest.approx(np.cov(x) / 12)
    assert curves.first.covariance == pytest.approx(np.cov(x[:2]) / 12)
    assert curves.second.value == pytest.approx(x[2:].mean(axis=1))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="2 scores need a covariance of as many rows and columns"):
        Estimates(np.zeros(2), np.eye(3), 5.0)
    with pytest.raises(DataError, match=r"0\.5 degrees of freedom has no interval: take more clusters or objects"):
        Estimates(np.zeros(2), np.eye(2), 0.5)


# --------------------------------------------------------------------------------------------------- sums


def test_weighted_sums_are_those_of_the_clusters() -> None:
    x, weights = scores_of_clusters(4, 25), np.array([[1.0, 0.0, -1.0, 0.0], [0.25, 0.75, 0.0, -1.0]])
    found, expected = of_means(x).combined(weights), of_means(weights @ x)
    assert found.value == pytest.approx(expected.value)
    assert found.covariance == pytest.approx(expected.covariance)
    assert found.influences == pytest.approx(expected.influences, abs=1e-12)


def test_a_layer_differs_from_itself_by_nothing_although_sums_round() -> None:
    x = np.tile(scores_of_clusters(1, 25), (3, 1)) + np.array([[0.0], [1e-16], [0.1]])
    found = of_means(x).combined(np.array([[1.0, -1.0, 0.0], [0.3, 0.7, -1.0], [0.0, 0.5, 0.0]]))
    assert found.value[0] == 0.0
    assert np.diag(found.covariance)[:2].tolist() == [0.0, 0.0]
    assert found.value[1:] == pytest.approx([-0.1, x[0].mean() / 2])
    assert found.covariance[2, 2] > 0.0


def test_what_has_no_score_reaches_only_the_sums_that_hold_it() -> None:
    x = scores_of_clusters(3, 25)
    x[1] = np.nan
    found = of_means(x).combined(np.array([[1.0, 0.0, -1.0], [0.5, 0.5, 0.0]]))
    assert found.value[0] == pytest.approx(x[0].mean() - x[2].mean())
    assert found.covariance[0, 0] == pytest.approx(np.var(x[0] - x[2], ddof=1) / 25)
    assert np.isnan(found.value[1])
    assert np.isnan(found.covariance[1]).all()


def test_differences_and_their_standard_errors() -> None:
    x = scores_of_clusters(3, 25)
    errors = standard_errors(np.cov(x) / 25)
    apart = differences(x[:2].mean(axis=1), x.mean(axis=1))
    for i, j in itertools.product(range(2), range(3)):
        assert apart[i, j] == pytest.approx((x[i] - x[j]).mean(), abs=1e-15)
        assert errors[i, j] == pytest.approx(np.std(x[i] - x[j], ddof=1) / 5, abs=1e-15)
    assert differences(np.array([0.1 + 0.2]), np.array([0.3])) == 0.0
    assert standard_errors(np.array([[0.1, 0.1], [0.1, 0.1 + 1e-16]])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


# -------------------------------------------------------------------------------------------------- max-T


@pytest.mark.parametrize(("layers", "degrees"), [(1, 24), (5, 24), (5, 6), (40, 24), (5, np.inf)])
def test_of_independent_layers_it_is_sidaks_quantile(layers: int, degrees: float) -> None:
    apart = Estimates(np.zeros(layers), np.diag(np.linspace(1.0, 4.0, layers)), degrees)
    largest = np.concatenate([np.abs(t).max(axis=1) for t in Deviations(apart).single()])
    share = (1.0 + 0.95 ** (1.0 / layers)) / 2.0
    expected = stats.norm.ppf(share) if np.isinf(degrees) else stats.t.ppf(share, degrees)
    assert quantile(largest) == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(("layers", "clusters"), [(4, 25), (12, 10)])
def test_differences_fall_like_paired_t_tests_on_drawn_clusters(layers: int, clusters: int) -> None:
    correlations = np.full((layers, layers), 0.7) + 0.3 * np.eye(layers)
    rng = np.random.default_rng(4)
    expected = np.zeros(3_000)
    for draw in range(len(expected)):
        x = np.linalg.cholesky(correlations) @ rng.normal(size=(layers, clusters))
        pairs = x[:, None] - x
        error = pairs.std(axis=2, ddof=1) / np.sqrt(clusters)
        np.fill_diagonal(error, 1.0)
        expected[draw] = np.abs(pairs.mean(axis=2) / error).max()
    known = Estimates(np.zeros(layers), correlations, clusters - 1.0)
    drawn = np.concatenate([t.max(axis=(1, 2)) for t in Deviations(known).differences(EVERY, EVERY)])
    for tail in (0.5, 0.1, 0.05):
        assert quantile(drawn, tail) == pytest.approx(np.quantile(expected, 1.0 - tail), rel=0.05)


def test_two_alike_layers_and_a_certain_one_never_deviate() -> None:
    covariance = np.array([[1.0, 1.0, 0.0, 0.3], [1.0, 1.0, 0.0, 0.3], [0.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.0, 2.0]])
    known = Deviations(Estimates(np.zeros(4), covariance, 9.0))
    apart, single = (np.concatenate(list(each)) for each in (known.differences(EVERY, EVERY), known.single()))
    assert (apart[:, 0, 1] == 0.0).all()
    assert (single[:, 2] == 0.0).all()
    assert apart[:, 2, 3] == pytest.approx(-single[:, 3])
    assert np.abs(apart[:, 0, 3]).min() > 0.0


def test_correlations_are_drawn_toward_their_mean_by_the_share_of_their_noise() -> None:
    x = np.random.default_rng(5).normal(size=(6, 40)).cumsum(axis=0)
    covariance, r = np.cov(x), np.corrcoef(x)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    mean = sum(r[pair] for pair in pairs) / 30
    share = sum((1 - r[pair] ** 2) ** 2 / 39 for pair in pairs) / sum((r[pair] - mean) ** 2 for pair in pairs)
    assert 0.05 < share < 0.95
    found = shrunk(covariance, 39.0)
    assert np.diag(found) == pytest.approx(np.diag(covariance))
    for i, j in pairs:
        assert found[i, j] == pytest.approx(
            ((1 - share) * r[i, j] + share * mean) * np.sqrt(covariance[i, i] * covariance[j, j])
        )
    assert shrunk(covariance, np.inf) is covariance


def test_equal_correlations_stay_and_layers_without_error_are_left_out() -> None:
    equal = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    equal[3] = equal[:, 3] = 0.0
    assert shrunk(equal, 10.0) == pytest.approx(equal)
