"""Correlations with people's uncertainty: values by scipy, variances by leaving out and by sums over all pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from alignbench.errors import DataError
from alignbench.statistics import uncertainty
from alignbench.statistics.influences import spearman_influences
from alignbench.statistics.noise_ceiling import Answers, answers_of
from alignbench.statistics.uncertainty import (
    Uncertainty,
    ceiling,
    entropies,
    reliability,
    response_times,
    score_uncertainty,
    uncertainty_together,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Given = tuple[Answers, Indices, Floats, Floats]


def world(triplets: int = 40, participants: int = 8, seed: int = 0, least: int = 1) -> Given:
    """Answers of people to triplets, who gave them, how long it took, and the entropies of two models."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet([0.7, 0.7, 0.7], triplets)
    unsure = special.entr(chances).sum(axis=1)
    rows = [(t, who) for t in range(triplets) for who in rng.choice(participants, int(rng.integers(least, 7)), False)]
    triplet, who = np.array(rows, dtype=np.int64).T
    chosen = np.array([rng.choice(3, p=chances[t]) for t in triplet], dtype=np.int64)
    pairs = np.arange(3 * triplets).reshape(-1, 3)[triplet]
    seconds = np.exp(0.2 * who + unsure[triplet] + 0.5 * rng.normal(size=len(rows)))
    models = np.stack([unsure + 0.2 * rng.normal(size=triplets), rng.normal(size=triplets)])
    return answers_of(pairs, chosen), who, seconds, models


def mean_share_that_differs(chosen: Indices) -> float:
    return float(np.log(2.0) * np.mean([one != other for one, other in combinations(chosen, 2)]))


def both(given: Given) -> tuple[Uncertainty, Uncertainty]:
    answers, who, seconds, _ = given
    return entropies(answers, who), response_times(answers, who, seconds)


def test_values_and_scores_are_those_of_definitions() -> None:
    given = world()
    answers, who, seconds, models = given
    of_entropy, of_time = both(given)
    logs = np.log(seconds)
    centred = np.array([log - logs[who == person].mean() for log, person in zip(logs, who, strict=True)])
    told = [(answers.choice[answers.triplet == t], centred[answers.triplet == t]) for t in range(len(answers.counts))]
    twice = [t for t, (chosen, _) in enumerate(told) if len(chosen) > 1]
    assert of_entropy.triplets.tolist() == twice
    np.testing.assert_allclose(of_entropy.values, [mean_share_that_differs(told[t][0]) for t in twice], atol=1e-12)
    np.testing.assert_allclose(of_time.values, [times.mean() for _, times in told], atol=1e-12)
    for people in (of_entropy, of_time):
        found = score_uncertainty(models, people)
        for row, model in enumerate(models):
            expected = stats.spearmanr(model[people.triplets], people.values).statistic
            assert found.value[row] == pytest.approx(expected, rel=1e-12)
            assert found.low[row] < expected < found.high[row]
        assert (found.clusters, found.interval) == (len(people.values), "triplets and participants crossed t")


def test_values_without_an_answer_are_those_of_the_others() -> None:
    given = world()
    answers, who, seconds, _ = given
    of_entropy, of_time = both(given)
    logs = np.log(seconds)
    centred = logs - np.array([logs[who == person].mean() for person in who])
    repeated = np.flatnonzero(np.isin(answers.triplet, of_entropy.triplets))
    for people, rows, fewest in ((of_entropy, repeated, 2), (of_time, np.arange(len(who)), 1)):
        for place, row in enumerate(rows):
            others = np.flatnonzero(answers.triplet == answers.triplet[row])
            others = others[others != row]
            if len(others) < fewest:
                assert np.isnan(people.without[place])
                continue
            chosen = answers.choice[others]
            expected = mean_share_that_differs(chosen) if fewest == 2 else centred[others].mean()
            assert people.without[place] == pytest.approx(expected, abs=1e-12)


def influence(x: Floats, y: Floats, at: int, other: float) -> float:
    """What replacing the second value of a judgment adds to Spearman's correlation, by an n that is a thousandfold."""
    times = 1_000
    n, larger, values = len(x) * times, np.repeat(x, times), np.repeat(y, times)
    before = stats.spearmanr(larger, values).statistic
    values[at * times] = other
    return float(n * (stats.spearmanr(larger, values).statistic - before) / len(x))


@pytest.mark.parametrize("metric", ["entropy", "time"])
def test_the_variance_crosses_triplets_and_participants(metric: str) -> None:
    given = world(triplets=14, participants=7, least=3)
    people, model = both(given)[metric == "time"], given[3][0]
    x, y = model[people.triplets], people.values
    triplets, participants = len(y), len(set(people.participant.tolist()))
    changes = np.array(
        [influence(x, y, at, other) for at, other in zip(people.place, people.without, strict=True)], dtype=np.float64
    )
    for triplet in range(triplets):
        changes[people.place == triplet] -= changes[people.place == triplet].mean()
    same_person = people.participant[:, None] == people.participant[None]
    same_triplet = people.place[:, None] == people.place[None]
    beyond = max(0.0, float((np.outer(changes, changes) * (same_person & ~same_triplet)).sum()))
    weights = np.ones(triplets)
    adds = []
    for triplet in range(triplets):  # what a little more weight of a triplet adds
        many = np.where(np.arange(triplets) == triplet, 1_001, 1_000)
        score = stats.spearmanr(np.repeat(x, many), np.repeat(y, many)).statistic
        adds.append(1_000 * (score - stats.spearmanr(x, y).statistic) * (weights.sum() * 1_000 + 1) / 1_000 / triplets)
    of_triplets = triplets / (triplets - 1.0) * float(np.square(adds).sum())
    variance = of_triplets + beyond
    degrees = variance**2 / (of_triplets**2 / (triplets - 1) + beyond**2 / (participants - 1))
    value = stats.spearmanr(x, y).statistic
    reach = stats.t.ppf(0.975, degrees) * np.sqrt(variance) / (1.0 - value**2)
    found = score_uncertainty(model[None], people)
    np.testing.assert_allclose(
        [found.low[0], found.high[0]], np.tanh([np.arctanh(value) - reach, np.arctanh(value) + reach]), atol=2e-3
    )


def test_participants_who_agree_with_nobody_else_widen_the_interval() -> None:
    given = world(triplets=200, participants=6, least=4)
    answers, who, _, models = given
    slopes = np.array([2.0, 2.0, 2.0, -2.0, -2.0, 0.0])  # of the response time, in each participant by another
    seconds = np.exp(slopes[who] * models[0][answers.triplet])
    crossed = response_times(answers, who, seconds)
    alone = replace(crossed, participant=np.arange(len(who)))
    wide, narrow = (score_uncertainty(models[:1], people) for people in (crossed, alone))
    assert wide.value[0] == narrow.value[0]
    assert wide.high[0] - wide.low[0] > 1.5 * (narrow.high[0] - narrow.low[0])


def test_a_triplet_that_one_person_judged_goes_with_that_person() -> None:
    answers, who, seconds, models = world(triplets=60, participants=7)
    first = np.unique(answers.triplet, return_index=True)[1]
    alone = answers_of(answers.options[answers.triplet[first]], answers.choice[first])
    people = response_times(alone, who[first], seconds[first])
    assert np.isnan(people.without).all()
    found = score_uncertainty(models[:1], people)
    x, y = stats.rankdata(models[0]), stats.rankdata(people.values)
    assert found.low[0] < stats.pearsonr(x, y).statistic < found.high[0]


def test_what_does_not_vary_has_no_score_or_no_interval() -> None:
    answers, who, seconds, models = world()
    people = response_times(answers, who, seconds)
    gaps = np.stack([np.full(len(models[0]), np.nan), np.ones(len(models[0])), models[0]])
    found = score_uncertainty(gaps, people)
    assert np.isnan(found.value[:2]).all()
    assert np.isnan(found.low[:2]).all()
    assert np.isfinite([found.value[2], found.low[2], found.high[2]]).all()
    one = score_uncertainty(models, replace(people, participant=np.zeros_like(people.participant)))
    np.testing.assert_array_equal(one.value, score_uncertainty(models, people).value)
    assert np.isnan(one.low).all()
    assert one.interval == "none"


def test_too_few_triplets_and_equal_ones_are_refused() -> None:
    answers, who, seconds, _ = world(triplets=9, least=2)
    with pytest.raises(DataError, match="it takes 10 triplets that differ, and 9 can be used"):
        entropies(answers, who)
    with pytest.raises(DataError, match="and 9 can be used"):
        response_times(answers, who, seconds)
    answers, who, seconds, _ = world()
    with pytest.raises(DataError, match="and 0 can be used"):
        response_times(answers, who, np.full_like(seconds, np.nan))
    agreed = replace(
        answers, choice=np.zeros_like(answers.choice), counts=answers.counts.sum(axis=1)[:, None] * [1, 0, 0]
    )
    with pytest.raises(DataError, match="triplets that differ"):
        entropies(agreed, who)


def test_times_that_are_not_known_and_people_with_one_time_do_not_count() -> None:
    answers, who, seconds, _ = world()
    who = who.copy()
    who[5] = 99
    gaps = seconds.copy()
    gaps[[2, 9]] = np.nan
    people = response_times(answers, who, gaps)
    kept = np.setdiff1d(np.arange(len(who)), [2, 5, 9])
    again = response_times(
        answers_of(answers.options[answers.triplet[kept]], answers.choice[kept]), who[kept], seconds[kept]
    )
    np.testing.assert_allclose(people.values, again.values, atol=1e-12)
    assert 99 not in people.participant


@pytest.mark.parametrize("metric", ["entropy", "time"])
def test_the_ceiling_is_what_a_perfect_model_reaches(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncertainty, "_SPLITS", 4)
    rng, triplets = np.random.default_rng(4), 20_000
    chances = special.softmax(rng.normal(0.0, 3.0, (triplets, 3)), axis=1)
    triplet = np.repeat(np.arange(triplets), rng.integers(4, 6, triplets))
    chosen = (rng.random((len(triplet), 1)) > chances[triplet].cumsum(axis=1)[:, :2]).sum(axis=1)
    answers = answers_of(np.arange(3 * triplets).reshape(-1, 3)[triplet], chosen)
    who, unsure = rng.integers(0, 50, len(triplet)), 1.0 - (chances**2).sum(axis=1)
    seconds = np.exp(unsure[triplet] + 0.3 * rng.normal(size=len(triplet)))
    people = entropies(answers, who) if metric == "entropy" else response_times(answers, who, seconds)
    reached = stats.pearsonr(unsure, people.values).statistic
    assert np.sqrt(reliability(people, 0)) == pytest.approx(reached, abs=0.03)
    found = ceiling(people, 2, seed=0)
    assert found.metric == f"ceiling_{people.metric}"
    np.testing.assert_array_equal(found.value, np.sqrt(reliability(people, 0)))
    assert np.isnan([found.low, found.high]).all()


def test_there_is_no_ceiling_without_halves_or_without_agreement() -> None:
    answers, who, seconds, _ = world(triplets=60)
    first = np.unique(answers.triplet, return_index=True)[1]
    alone = answers_of(answers.options[answers.triplet[first]], answers.choice[first])
    assert np.isnan(reliability(response_times(alone, who[first], seconds[first]), 0))
    people = response_times(answers, who, seconds)
    assert np.isfinite(reliability(people, 0))
    signs = iter(range(1_000))
    opposite = replace(people, from_some=lambda _: (-1.0) ** next(signs) * np.arange(60.0))
    assert np.isnan(reliability(opposite, 0))


@pytest.mark.parametrize("metric", ["entropy", "time"])
def test_a_difference_of_two_models_has_the_variance_of_its_own_sums(metric: str) -> None:
    given = world(triplets=30, participants=6, least=3)
    people, models = both(given)[metric == "time"], given[3]
    together = uncertainty_together(models, people)
    x, y = models[:, people.triplets], people.values
    apart = [stats.spearmanr(model, y).statistic for model in x]
    np.testing.assert_allclose(together.value, apart, atol=1e-12)
    found = together.contrast(np.array([-1.0, 1.0]))
    assert found.value == pytest.approx(apart[1] - apart[0], abs=1e-12)
    adds = np.diff([spearman_influences(model[None], y)[0] for model in x], axis=0)[0]
    changes = np.array(
        [
            influence(x[1], y, at, other) - influence(x[0], y, at, other)
            for at, other in zip(people.place, people.without, strict=True)
        ]
    )
    for triplet in range(len(y)):
        changes[people.place == triplet] -= changes[people.place == triplet].mean()
    same_person = people.participant[:, None] == people.participant[None]
    same_triplet = people.place[:, None] == people.place[None]
    beyond = max(0.0, float((np.outer(changes, changes) * (same_person & ~same_triplet)).sum()))
    one = len(y) / (len(y) - 1.0) * float(np.square(adds).sum())
    error = np.sqrt(one + beyond)
    degrees = (one + beyond) ** 2 / (
        one**2 / (len(y) - 1.0) + beyond**2 / (len(set(people.participant.tolist())) - 1.0)
    )
    assert found.degrees == pytest.approx(degrees, rel=1e-2)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, degrees) * error, rel=1e-2)
    assert found.p == pytest.approx(2.0 * stats.t.sf(abs(found.value) / error, degrees), rel=0.05)
    covariance = together.estimates(np.array([0, 1])).covariance
    assert covariance[0, 1] != 0.0
    assert np.linalg.eigvalsh(covariance).min() >= -1e-15


def test_a_model_and_itself_do_not_differ() -> None:
    given = world()
    for people in both(given):
        found = uncertainty_together(given[3][[0, 0]], people).contrast(np.array([-1.0, 1.0]))
        assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
