"""Correlations under cluster weights against scipy, on rows that are written out as often as they weigh."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.correlations import kendall, pearson, spearman, weighted_ranks
from reference import correlation

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Correlate = Callable[[Floats, Floats, Indices, Floats], Floats]
METRICS: dict[str, Correlate] = {"spearman": spearman, "pearson": pearson, "kendall": kendall}
every_metric = pytest.mark.parametrize("metric", list(METRICS))


@st.composite
def tied_values(draw: st.DrawFn, most: int = 40) -> tuple[Floats, Floats]:
    """Two columns of quarters with many ties; neither is constant."""
    size = draw(st.integers(3, most))
    column = st.lists(st.integers(-6, 6), min_size=size, max_size=size).filter(lambda values: len(set(values)) > 1)
    return np.array(draw(column)) / 4.0, np.array(draw(column)) / 4.0


@st.composite
def clusters_of(draw: st.DrawFn, size: int) -> Indices:
    """A cluster for each row, ascending from 0 without gaps."""
    breaks = draw(st.lists(st.booleans(), min_size=size - 1, max_size=size - 1))
    return np.cumsum([0, *breaks])


@every_metric
@given(st.data(), tied_values())
def test_weights_of_one_give_scipys_correlation(
    metric: str, data: st.DataObject, values: tuple[Floats, Floats]
) -> None:
    x, y = values
    clusters = data.draw(clusters_of(len(x)))
    found = METRICS[metric](x[None], y, clusters, np.ones((1, clusters[-1] + 1)))
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(correlation(metric, -x, y), rel=0, abs=1e-12)


@every_metric
@given(st.data(), tied_values(most=25))
def test_whole_weights_give_scipys_correlation_of_repeated_rows(
    metric: str, data: st.DataObject, values: tuple[Floats, Floats]
) -> None:
    x, y = values
    clusters = data.draw(clusters_of(len(x)))
    count = int(clusters[-1]) + 1
    weights = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    rows = np.repeat(np.arange(len(x)), weights[clusters])
    assume(len(set(x[rows])) > 1)
    assume(len(set(y[rows])) > 1)
    found = METRICS[metric](x[None], y, clusters, weights[None].astype(float))
    assert found[0, 0] == pytest.approx(correlation(metric, -x[rows], y[rows]), rel=0, abs=1e-9)


@every_metric
@given(st.integers(0, 2**31))
def test_a_resample_without_variation_has_no_correlation(metric: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=20), rng.normal(size=20)
    x[5:] = x[4]
    kept = np.arange(20) >= 4
    found = METRICS[metric](x[None], y, np.arange(20), kept[None].astype(float))
    assert np.isnan(found[0, 0])


@every_metric
def test_curves_and_resamples_do_not_mix(metric: str) -> None:
    rng = np.random.default_rng(0)
    x, y, clusters = rng.normal(size=(3, 30)), rng.normal(size=30), np.repeat(np.arange(10), 3)
    weights = rng.multinomial(10, np.full(10, 0.1), size=4).astype(float)
    found = METRICS[metric](x, y, clusters, weights)
    for curve in range(3):
        for row in range(4):
            rows = np.repeat(np.arange(30), weights[row].astype(int)[clusters])
            assert found[curve, row] == pytest.approx(correlation(metric, -x[curve, rows], y[rows]), rel=0, abs=1e-12)


@given(st.data(), tied_values())
def test_weighted_ranks_are_the_ranks_of_the_repeated_values(
    data: st.DataObject, values: tuple[Floats, Floats]
) -> None:
    x = values[0]
    times = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(x), max_size=len(x))))
    assume(times.sum() > 0)
    rows = np.repeat(np.arange(len(x)), times)
    found = weighted_ranks(x, times[None].astype(float))[0]
    np.testing.assert_allclose(found[rows], stats.rankdata(x[rows]), rtol=1e-12)


def test_kendall_counts_every_judgment_of_large_clusters() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 50, 700) / 7.0, rng.integers(0, 20, 700) / 3.0
    clusters = np.repeat([0, 1, 2], [1, 300, 399])  # sizes that fill no whole byte
    found = kendall(x[None], y, clusters, np.ones((1, 3)))
    assert found[0, 0] == pytest.approx(stats.kendalltau(x, y).statistic, rel=0, abs=1e-12)
