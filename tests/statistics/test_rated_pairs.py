"""Correlations with ratings of pairs, against scipy and against loops over every two ratings."""

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.rated_pairs import (
    PicturesAndSubjects,
    Rated,
    linear_correlations,
    objects_of,
    rank_correlations,
    score_rated_pairs,
    sums_of_ratings,
    varying,
)
from alignbench.statistics.scored_together import Judged, score_together
from alignbench.statistics.shared_objects import SharedObjects

Floats = NDArray[np.float64]
PAIRS = np.array([*combinations(range(12), 2)])


def drawn(seed: int, subjects: int = 4, pictures: int = 12) -> tuple[Floats, Floats]:
    """Distances of three curves, (3, n), and ratings of subjects, (n, subjects), with ties."""
    rng = np.random.default_rng(seed)
    pairs = np.array([*combinations(range(pictures), 2)])

    def apart(vectors: Floats) -> Floats:
        return np.asarray(np.linalg.norm(vectors[pairs[:, 0]] - vectors[pairs[:, 1]], axis=1))

    seen = rng.normal(size=(pictures, 3))
    curves = np.stack([apart(seen + noise * rng.normal(size=seen.shape)) for noise in (0.3, 0.8, 2.0)])
    said = [apart(seen * rng.uniform(0.2, 2.0, 3) + 0.4 * rng.normal(size=seen.shape)) for _ in range(subjects)]
    return curves, -np.round(np.stack(said, axis=1) * 4.0) / 4.0


@pytest.mark.parametrize(("metric", "of_scipy"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)])
def test_values_are_those_of_scipy(metric: str, of_scipy: object) -> None:
    distances, ratings = drawn(0)
    [found] = [
        one for one in score_rated_pairs(distances, ratings.mean(axis=1), varying(PAIRS)) if one.metric == metric
    ]
    expected = [of_scipy(-curve, ratings.mean(axis=1)).statistic for curve in distances]  # type: ignore[operator]
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    assert (found.clusters, found.interval) == (12, "objects counted once t")


# ------------------------------------------------------------------------------------------------- variance


def by_definition(rated: Rated, ratings: Floats) -> tuple[Floats, Floats]:
    """The variances of each curve, and V_both, by loops over every two ratings; nothing of the variance is shared."""
    pairs, subjects = [frozenset(pair) for pair in PAIRS.tolist()], ratings.shape[1]
    touching = np.array([[bool(one & other) for other in pairs] for one in pairs])
    apart = 1.0 - touching.mean()

    def over_pictures(adds: Floats) -> float:
        return float((np.outer(adds, adds) * touching).sum() / apart)

    _, whole = rated(ratings.mean(axis=1))
    values, adds = zip(
        *(rated(ratings[:, [s for s in range(subjects) if s != one]].mean(axis=1)) for one in range(subjects)),
        strict=True,
    )
    found, shared = [], []
    for curve, own in enumerate(whole):
        without, left = np.array([value[curve] for value in values]), np.stack([each[curve] for each in adds])
        of_subjects = (subjects - 1) / subjects * ((without - without.mean()) ** 2).sum()
        deviations = (subjects - 1) / subjects * (left - left.mean(axis=0))
        both = subjects / (subjects - 1) * sum(map(over_pictures, deviations))
        pictures = over_pictures(own)
        found.append(min(max(pictures + of_subjects - both, pictures, of_subjects), pictures + of_subjects))
        shared.append(both)
    return np.array(found), np.array(shared)


@pytest.mark.parametrize("make", [rank_correlations, linear_correlations])
@pytest.mark.parametrize("seed", range(3))
def test_the_variance_is_that_of_both_factors_less_what_both_count(make: type, seed: int) -> None:
    distances, ratings = drawn(seed)
    rated: Rated = make(-distances)
    values, sums = sums_of_ratings(rated, ratings.mean(axis=1), varying(PAIRS, ratings))
    variances, both = by_definition(rated, ratings)
    found = sums.variance()
    assert sums.kind == "pictures and subjects crossed t"
    np.testing.assert_allclose(np.diag(sums.both), both, rtol=1e-9)  # type: ignore[union-attr]
    np.testing.assert_allclose(found.error**2, np.where(found.floored, found.error**2, variances), rtol=1e-9)
    assert not found.floored.all()
    assert np.linalg.eigvalsh(found.covariance).min() > -1e-12
    of_pictures = sums_of_ratings(rated, ratings.mean(axis=1), varying(PAIRS))[1].variance()
    assert (found.error >= of_pictures.error * (1.0 - 1e-12)).all()
    assert len(values) == 3


def test_subjects_who_say_the_same_add_nothing() -> None:
    distances, ratings = drawn(1)
    same = np.repeat(ratings[:, :1], 5, axis=1)
    among = varying(PAIRS, same)
    crossed, over = (score_rated_pairs(distances, ratings[:, 0], each) for each in (among, varying(PAIRS)))  # type: ignore[arg-type]
    for one, other in zip(crossed, over, strict=True):
        np.testing.assert_allclose(one.low, other.low, rtol=1e-9)
        np.testing.assert_allclose(one.high, other.high, rtol=1e-9)
        assert one.interval == "pictures and subjects crossed t"


def test_weighted_sums_have_the_variance_of_their_influences() -> None:
    distances, ratings = drawn(2)
    rated, weights = linear_correlations(-distances), np.array([[1.0, -1.0, 0.0], [0.5, 0.0, 0.5]])

    def combined(said: Floats) -> tuple[Floats, Floats]:
        values, adds = rated(said)
        return weights @ values, weights @ adds

    human, among = ratings.mean(axis=1), varying(PAIRS, ratings)
    whole = sums_of_ratings(rated, human, among)[1].combined(weights).variance()  # type: ignore[arg-type]
    alone = sums_of_ratings(combined, human, among)[1].variance()  # type: ignore[arg-type]
    np.testing.assert_allclose(whole.covariance, alone.covariance, rtol=1e-9)
    np.testing.assert_allclose(whole.degrees, alone.degrees, rtol=1e-9)


def test_degrees_lie_between_those_of_the_factors() -> None:
    distances, ratings = drawn(3, subjects=3)
    sums = sums_of_ratings(rank_correlations(-distances), ratings.mean(axis=1), varying(PAIRS, ratings))[1]  # type: ignore[arg-type]
    pictures = sums.pictures.variance()  # type: ignore[union-attr]
    assert (sums.variance().degrees >= 1.0).all()
    assert (sums.variance().degrees <= 2.0 + pictures.degrees + 1e-9).all()


def test_a_pair_that_one_did_not_rate_has_the_mean_of_the_others() -> None:
    _, ratings = drawn(4, subjects=3)
    ratings[5, 1] = math.nan
    among = PicturesAndSubjects(SharedObjects(PAIRS), ratings)
    means = [*among.without_each()]
    assert means[0][5] == ratings[5, 2]
    assert means[1][5] == (ratings[5, 0] + ratings[5, 2]) / 2.0
    assert means[2][5] == ratings[5, 0]
    assert objects_of(among) is among.pictures


def test_a_pair_with_one_rating_is_refused() -> None:
    _, ratings = drawn(4, subjects=3)
    ratings[5, 1:] = math.nan
    with pytest.raises(
        DataError, match="66 pairs with 66 rows of ratings, 1 in one of them: subjects can be left out in"
    ):
        varying(PAIRS, ratings)
    with pytest.raises(DataError, match="66 pairs with 60 rows of ratings"):
        varying(PAIRS, ratings[6:])


def test_what_varies_is_told_from_clusters() -> None:
    clusters = np.array([[1], [2]])
    assert varying(clusters, np.zeros((2, 3))) is clusters
    assert isinstance(varying(PAIRS), SharedObjects)


def test_constant_and_perfect_curves() -> None:
    distances, ratings = drawn(5)
    human = ratings.mean(axis=1)
    curves = np.stack([np.full(66, 2.0), -human, distances[0]])
    for among in (varying(PAIRS), varying(PAIRS, ratings)):
        for found in score_rated_pairs(curves, human, among):  # type: ignore[arg-type]
            assert math.isnan(found.value[0])
            assert math.isnan(found.low[0])
            np.testing.assert_allclose(found.value[1], 1.0, rtol=1e-12)
            assert found.low[2] < found.value[2] < found.high[2]
    [spearman, _] = score_rated_pairs(curves, human, varying(PAIRS))  # type: ignore[arg-type]
    assert (spearman.low[1], spearman.high[1]) == (spearman.value[1], spearman.value[1])


def test_pairs_that_all_meet_have_no_interval() -> None:
    distances, ratings = drawn(6)
    star = np.column_stack([np.zeros(66, dtype=np.int64), np.arange(1, 67)])
    for found in score_rated_pairs(distances, ratings.mean(axis=1), varying(star, ratings)):  # type: ignore[arg-type]
        assert found.interval == "none"
        assert np.isnan(found.low).all()
        assert np.isfinite(found.value).all()


# ------------------------------------------------------------------------------------------------- together


def test_runs_that_are_scored_together_are_as_each_alone() -> None:
    distances, ratings = drawn(7)
    order = np.random.default_rng(0).permutation(66)
    human, among = ratings.mean(axis=1), varying(PAIRS, ratings)
    places = np.arange(66)[:, None]
    runs = (
        Judged(distances[:2], places, "rating", False),
        Judged(distances[2:][:, order], np.argsort(order)[:, None], "rating", False),
    )
    scored = score_together(iter(runs), human, among, 0)
    [spearman, _] = score_rated_pairs(distances, human, among)  # type: ignore[arg-type]
    np.testing.assert_allclose(scored.value, spearman.value, rtol=1e-12)
    assert (scored.kind, scored.clusters) == ("pictures and subjects crossed t", 12)
    contrast = scored.contrast(np.array([1.0, 0.0, -1.0]))
    assert contrast.value == pytest.approx(spearman.value[0] - spearman.value[2], rel=1e-12)
    assert contrast.low < contrast.value < contrast.high
    assert scored.replicates(np.array([0, 2])).shape == (2, 1001)
    alone = score_together(runs[:1], human, PAIRS, 0)
    assert alone.kind == "objects counted once t"
    assert scored.contrast(np.eye(3)[0]).high > alone.contrast(np.eye(2)[0]).value
