"""The smallest difference that could be shown: by hand, and by how often it is shown in simulated studies."""

import numpy as np
import pytest
from scipy import stats

from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.smallest_difference import smallest_difference, smallest_of_replicates


def test_by_hand() -> None:
    assert smallest_difference(0.01, np.inf) == pytest.approx(0.01 * (1.959964 + 0.841621), abs=1e-7)
    assert smallest_difference(0.02, 24) == pytest.approx(0.02 * (2.063899 + 0.841621), abs=1e-7)
    assert smallest_difference(0.02, 24, 0.99) == pytest.approx(0.02 * (2.796940 + 0.841621), abs=1e-7)
    assert np.isnan(smallest_difference(float("nan"), 24))


@pytest.mark.parametrize(("degrees", "power"), [(5, 0.776), (24, 0.794), (1000, 0.8)])
def test_it_is_shown_in_four_of_five_studies(degrees: int, power: float) -> None:
    """Simulated studies of a true difference of that size, with as many degrees of freedom for their errors."""
    rng = np.random.default_rng(0)
    estimates = smallest_difference(1.0, degrees) + rng.normal(size=40_000)
    errors = np.sqrt(rng.chisquare(degrees, 40_000) / degrees)
    shown = float(np.mean(estimates - stats.t.ppf(0.975, degrees) * errors > 0.0))
    assert shown == pytest.approx(power, abs=0.01)


@pytest.mark.parametrize("clusters", [25, 400])
def test_of_paired_means_it_is_that_of_the_t_test(clusters: int) -> None:
    first, second = np.random.default_rng(1).normal(size=(2, clusters))
    weights, kind = cluster_weights(clusters, 0)
    differences = weights @ (first - second) / weights.sum(axis=1)
    error = stats.sem(first - second)
    expected = (stats.t.ppf(0.975, clusters - 1) + stats.norm.ppf(0.8)) * error
    tolerance = 1e-12 if clusters < 100 else 0.08  # a thousand resamples tell an error to within a few percent
    assert smallest_of_replicates(differences, kind, clusters) == pytest.approx(expected, rel=tolerance)


def test_without_an_interval_there_is_none() -> None:
    assert np.isnan(smallest_of_replicates(np.array([0.1]), "none", 1))
    assert np.isnan(smallest_of_replicates(np.full(26, np.nan), "cluster jackknife t", 25))
