"""Noise ceilings of ratings by several subjects, against their definitions, and against a truth that is known."""

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.errors import DataError
from alignbench.statistics.subject_ceilings import score_subject_ceilings

Floats = NDArray[np.float64]


def drawn(seed: int = 0, subjects: int = 5, pairs: int = 200, noise: float = 1.0) -> tuple[Floats, Floats]:
    """What is true of each pair, and what each subject said of it."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=pairs)
    return true, true[:, None] + noise * rng.normal(size=(pairs, subjects))


def found(distances: Floats, ratings: Floats) -> dict[str, Floats]:
    scores = score_subject_ceilings(distances, ratings, 7)
    assert all((one.clusters, one.interval) == (7, "none") for one in scores)
    assert all(np.isnan(one.low).all() and np.isnan(one.high).all() for one in scores)
    return {one.metric: one.value for one in scores}


def spearman(one: Floats, other: Floats) -> float:
    return float(stats.spearmanr(one, other, nan_policy="omit").statistic)


def test_ceilings_are_what_their_names_say() -> None:
    true, ratings = drawn()
    ratings[3, 0] = ratings[4, 2] = math.nan
    distances = np.stack([-true, true**3 + 1.0])
    scores = found(distances, ratings)
    with_each = [[spearman(-curve, said) for said in ratings.T] for curve in distances]
    np.testing.assert_allclose(scores["spearman_subjects"], np.mean(with_each, axis=1), rtol=1e-12)
    others = [np.nanmean(np.delete(ratings, one, axis=1), axis=1) for one in range(5)]
    loo = np.mean([spearman(rest, said) for rest, said in zip(others, ratings.T, strict=True)])
    whole = np.mean([spearman(np.nanmean(ratings, axis=1), said) for said in ratings.T])
    np.testing.assert_allclose(scores["ceiling_subjects_loo"], [loo, loo], rtol=1e-12)
    np.testing.assert_allclose(scores["ceiling_subjects_all"], [whole, whole], rtol=1e-12)
    two = np.mean([spearman(one, other) for one, other in combinations(ratings.T, 2)])
    np.testing.assert_allclose(scores["ceiling_spearman_of_mean"], np.sqrt(5 * two / (1 + 4 * two)), rtol=1e-12)


def test_ceilings_hold_what_the_truth_reaches() -> None:
    worlds = []
    for seed in range(60):
        true, ratings = drawn(seed, subjects=4, noise=1.5)
        scores = found(-true[None], ratings)
        worlds.append([spearman(true, ratings.mean(axis=1)), *(values[0] for values in scores.values())])
    of_mean, of_subjects, loo, whole, ceiling = np.mean(worlds, axis=0)
    assert loo < of_subjects < whole
    assert ceiling == pytest.approx(of_mean, abs=0.012)


def test_subjects_who_do_not_agree_have_no_ceiling() -> None:
    true, ratings = drawn()
    with pytest.raises(DataError, match=r"two subjects correlate at -1\.00 in the mean, and it must be above 0"):
        score_subject_ceilings(true[None], np.column_stack([true, -true]), 7)
    ratings[:, 3] = 2.0
    with pytest.raises(DataError, match="subject 4 of 5 rated fewer than 3 pairs, or all of them alike"):
        score_subject_ceilings(true[None], ratings, 7)
    apart = np.full((200, 2), math.nan)
    apart[:100, 0], apart[99:, 1] = true[:100], true[99:]
    with pytest.raises(DataError, match="two subjects share fewer than 3 pairs"):
        score_subject_ceilings(true[None], apart, 7)
