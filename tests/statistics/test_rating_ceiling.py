"""Ceilings of mean ratings against plain loops, simulated people, and worlds whose truth is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.rating_ceiling import (
    FEWEST_RATINGS,
    MeanRatings,
    pearson_ceiling,
    reliability,
    score_rating_ceilings,
    spearman_ceiling,
)
from reference import jackknife_interval
from reference_scores import spearman_within

Floats = NDArray[np.float64]


def alone(values: Floats, errors: Floats) -> MeanRatings:
    """Ratings of one reference."""
    return MeanRatings(values, errors, np.zeros(len(values), dtype=np.int64))


def drawn(references: int, pictures: int, seed: int, error: float = 0.4) -> MeanRatings:
    rng = np.random.default_rng(seed)
    true = rng.normal(size=references * pictures)
    errors = error * rng.uniform(0.5, 1.5, len(true))
    cluster = np.repeat(rng.permutation(references) + 3, pictures)
    return MeanRatings(true + errors * rng.normal(size=len(true)), errors, cluster)


def by_loops(values: Floats, errors: Floats) -> float:
    """The expected rank correlation written out over pairs of pictures, in plain Python."""
    count = len(values)
    mean = sum(values) / count
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    kept = math.sqrt(1 - sum(error**2 for error in errors) / count / variance)
    true = [kept * (value - mean) for value in values]
    ranks = stats.rankdata(values)
    total = 0.0
    for i in range(count):
        rank = 1.0
        for j in range(count):
            if i != j:
                rank += 0.5 * (1 + math.erf((true[i] - true[j]) / math.sqrt(2 * (errors[i] ** 2 + errors[j] ** 2))))
        total += (ranks[i] - (count + 1) / 2) * (rank - (count + 1) / 2)
    return total / count / (float(np.std(ranks)) * math.sqrt((count**2 - 1) / 12))


# --- One reference --------------------------------------------------------------------------------------------------


def test_reliability_by_hand() -> None:
    ratings = alone(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([0.5, 0.5, 1.0, 0.5, 0.5]))
    assert reliability(ratings) == pytest.approx(1 - (4 * 0.25 + 1.0) / 5 / 2.5)


def test_the_ceiling_of_pearsons_correlation_is_the_root_of_reliability() -> None:
    ratings = drawn(1, 60, 0)
    kept = 1 - np.mean(np.square(ratings.errors)) / np.var(ratings.values, ddof=1)
    assert pearson_ceiling(ratings) == pytest.approx(math.sqrt(kept))


@given(st.integers(FEWEST_RATINGS, 50), st.integers(0, 2**31), st.booleans())
def test_the_ceiling_of_ranks_equals_plain_loops(pictures: int, seed: int, tied: bool) -> None:
    ratings = drawn(1, pictures, seed, 0.2)
    values = np.round(4 * ratings.values) / 4 if tied else ratings.values
    assert spearman_ceiling(alone(values, ratings.errors)) == pytest.approx(by_loops(values, ratings.errors), abs=1e-12)


def test_the_ceiling_of_ranks_is_what_simulated_people_give() -> None:
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(size=80), 1)
    errors = rng.uniform(0.0, 0.8, 80)
    errors[:30] = 0.0  # some of which tie in every draw
    kept = 1 - np.mean(errors**2) / np.var(values, ddof=1)
    true = np.mean(values) + np.sqrt(kept) * (values - np.mean(values))
    true = np.round(true, 9)  # ties of the ratings are ties of the truth
    again = [stats.spearmanr(true, true + errors * rng.normal(size=80)).statistic for _ in range(4000)]
    error = np.std(again) / np.sqrt(len(again))
    assert error < 1e-3
    assert spearman_ceiling(alone(values, errors)) == pytest.approx(np.mean(again), abs=4 * error)


def test_blocks_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = drawn(1, 70, 2)
    whole = spearman_ceiling(ratings)
    monkeypatch.setattr("alignbench.statistics.rating_ceiling._BLOCK", 70 * 9)
    assert spearman_ceiling(ratings) == pytest.approx(whole, rel=1e-14)


@pytest.mark.parametrize("kept", [0.7, 0.9, 0.98])
def test_ceilings_are_what_a_perfect_model_reaches(kept: float) -> None:
    """Mean of 60 worlds of 120 pictures, against the correlation of the true ratings themselves."""
    rng = np.random.default_rng(3)
    error = math.sqrt((1 - kept) / kept)
    perfect, found = [], []
    for _ in range(60):
        true = rng.normal(5, 2, 120)
        errors = 2 * error * rng.uniform(0.7, 1.3, 120) / math.sqrt(1.03)
        said = true + errors * rng.normal(size=120)
        perfect.append([stats.pearsonr(true, said).statistic, stats.spearmanr(true, said).statistic])
        found.append([pearson_ceiling(alone(said, errors)), spearman_ceiling(alone(said, errors))])
    apart = np.mean(found, axis=0) - np.mean(perfect, axis=0)
    assert np.abs(apart).max() < 0.012
    assert np.mean(perfect) < math.sqrt(kept) + 0.01


@given(st.integers(0, 2**31))
def test_larger_errors_lower_the_ceiling_and_units_do_not_matter(seed: int) -> None:
    ratings = drawn(1, 40, seed, 0.1)
    ceiling = spearman_ceiling(ratings)
    assert spearman_ceiling(alone(ratings.values, 2 * ratings.errors)) < ceiling < 1
    other = spearman_ceiling(alone(9 - 3 * ratings.values, 3 * ratings.errors))
    assert other == pytest.approx(ceiling, abs=1e-12)
    order = np.random.default_rng(seed).permutation(40)
    assert spearman_ceiling(alone(ratings.values[order], ratings.errors[order])) == pytest.approx(ceiling, abs=1e-12)


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ceiling", [pearson_ceiling, spearman_ceiling])
@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        (np.arange(30.0), 20.0, r"30 ratings differ by no more than their standard errors \(reliability -4\.16"),
        (np.ones(30), 0.1, r"reliability -inf, and it must be above 0\): score a larger subset"),
        (
            np.arange(19.0),
            0.1,
            "19 ratings, and a noise ceiling needs 20 of a reference at least: score a larger subset",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(
    ceiling: Callable[[MeanRatings], float], values: Floats, error: float, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        ceiling(alone(values, np.full(len(values), error)))


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([0.1, -0.2, 0.1], r"the standard error of rating 2 is -0\.2, and it can neither be negative"),
        ([0.1, 0.2, np.nan], r"the standard error of rating 3 is nan"),
        ([np.inf, 0.2, 0.1], r"the standard error of rating 1 is inf"),
        ([0.0, 0.0, 0.0], r"all standard errors of the ratings are 0, as if nobody erred"),
    ],
)
def test_errors_that_cannot_be_are_refused(errors: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        alone(np.arange(3.0), np.array(errors))


def test_a_reference_without_a_ceiling_is_named() -> None:
    ratings = drawn(4, 30, 5)
    flat = ratings.clusters == 5
    values = np.where(flat, 0.01 * ratings.values, ratings.values)
    with pytest.raises(DataError, match=r"^reference 5: 30 ratings differ by .*reliability"):
        score_rating_ceilings(np.ones((1, 120)), MeanRatings(values, ratings.errors, ratings.clusters))


# --- Rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("references", [6, 110])
def test_rows_and_their_intervals(references: int) -> None:
    ratings = drawn(references, 20, 7, 0.3)
    rng = np.random.default_rng(8)
    distances = np.stack([-ratings.values + 0.5 * rng.normal(size=len(ratings.values)), rng.random(20 * references)])
    order = rng.permutation(len(ratings.values))
    mixed = MeanRatings(ratings.values[order], ratings.errors[order], ratings.clusters[order])
    found = {score.metric: score for score in score_rating_ceilings(distances[:, order], mixed, 3)}
    assert list(found) == [
        "ceiling_spearman_within",
        "ceiling_spearman",
        "ceiling_pearson",
        "spearman_within_of_ceiling",
    ]
    numbers = sorted(set(ratings.clusters.tolist()))
    rows = [ratings.clusters == number for number in numbers]
    ceilings = np.array([by_loops(ratings.values[row], ratings.errors[row]) for row in rows])
    inside = np.array(
        [[stats.spearmanr(-curve[row], ratings.values[row]).statistic for row in rows] for curve in distances]
    )
    np.testing.assert_allclose(found["ceiling_spearman_within"].value, ceilings.mean(), rtol=1e-12)
    np.testing.assert_allclose(found["spearman_within_of_ceiling"].value, inside.mean(axis=1) / ceilings.mean())
    for metric in ("ceiling_spearman", "ceiling_pearson"):
        assert np.isnan([found[metric].low, found[metric].high]).all(), "an upper bound has no interval"
        assert found[metric].value.shape == (2,)
    np.testing.assert_allclose(found["ceiling_spearman"].value, by_loops(ratings.values, ratings.errors), rtol=1e-12)
    for curve in range(2):
        score = found["spearman_within_of_ceiling"]
        if references < 100:

            def share(kept: NDArray[np.int64], curve: int = curve) -> float:
                names = ratings.clusters[kept]
                within = spearman_within(distances[curve][kept], ratings.values[kept], names.tolist())
                return within / float(
                    np.mean([ceilings[numbers.index(name)] for name in dict.fromkeys(names.tolist())])
                )

            ends = jackknife_interval(share, ratings.clusters.tolist(), fisher=False)
        else:
            drawn_clusters = cluster_weights(references, 3)[0][1:]
            again = [np.average(inside[curve], weights=w) / np.average(ceilings, weights=w) for w in drawn_clusters]
            ends = tuple(np.percentile(again, [2.5, 97.5]))
        assert (score.low[curve], score.high[curve]) == pytest.approx(ends, abs=1e-9)
        assert score.clusters == references


def test_a_share_is_not_cut_off_at_1() -> None:
    """A model that knows the errors of the very people who were asked is above people."""
    ratings = drawn(5, 40, 9, 0.6)
    found = {score.metric: score for score in score_rating_ceilings(-ratings.values[None], ratings)}
    assert found["spearman_within_of_ceiling"].value[0] > 1.1
