"""Choices of features, against plain loops."""

import itertools
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from alignbench.datasets import DATASETS
from alignbench.errors import DataError, UsageError
from alignbench.statistics.noise_ceiling import Choices, score_with_ceiling
from alignbench.transforms.evaluation.odd_one_out import (
    judge_choices,
    noise_ceiling,
    softmax_entropy,
    to_triplets,
    triplet_distances,
)
from object_pairs import by_pairs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5))
TRIPLETS = RNG.permuted(np.array(list(itertools.combinations(range(12), 3)))[:200], axis=1)  # each once


def test_distances_are_those_of_each_pair() -> None:
    for row, (i, j, k) in enumerate(TRIPLETS[:20]):
        for option, (a, b) in enumerate(((i, j), (i, k), (j, k))):
            cosine = 1 - X[a] @ X[b] / np.linalg.norm(X[a]) / np.linalg.norm(X[b])
            assert triplet_distances(X, TRIPLETS)[row, option] == pytest.approx(cosine, rel=1e-12)
            assert triplet_distances(X, TRIPLETS, "dot")[row, option] == pytest.approx(-X[a] @ X[b], rel=1e-12)
            apart = np.linalg.norm(X[a] - X[b])
            assert triplet_distances(X, TRIPLETS, "euclidean")[row, option] == pytest.approx(apart, rel=1e-12)
    with pytest.raises(DataError, match="object 3 are zero"):
        triplet_distances(np.where(np.arange(12)[:, None] == 3, 0.0, X), TRIPLETS)


def test_accuracies_are_shares_of_triplets_and_ties_are_wrong() -> None:
    before, after = triplet_distances(X, TRIPLETS), triplet_distances(X[:, :2], TRIPLETS)
    after[:10] = 1.0
    judged = judge_choices(before, after, TRIPLETS, None)
    for found, distances in ((judged.before, before), (judged.after, after)):
        right = [row[0] < row[1] and row[0] < row[2] for row in distances]
        assert found[0] == pytest.approx(np.mean(right))
        assert found[1] < found[0] < found[2]
    assert judged.difference[0] == pytest.approx(judged.after[0] - judged.before[0])
    assert (judged.n, judged.objects) == (200, 12)
    assert np.isnan(judged.ceiling)
    right = [distances.argmin(axis=1) == 0 for distances in (before, after)]
    right[1][:10] = False
    gain = right[1].astype(float) - right[0]
    for found, row in zip((judged.before, judged.after, judged.difference), (*right, gain), strict=True):
        expected = by_pairs(TRIPLETS.tolist(), (row - row.mean()) / 200)
        assert found[1:] == pytest.approx(expected.interval(row.mean()), abs=1e-12)
    assert judged.p == pytest.approx(by_pairs(TRIPLETS.tolist(), (gain - gain.mean()) / 200).p_value(gain.mean()))
    same = judge_choices(before, before, TRIPLETS, 0.6767)
    assert same.difference == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert (same.p, same.ceiling) == (1.0, 0.6767)


def test_shares_end_at_0_and_1() -> None:
    """Of ten triplets one is wrong: the t interval alone would reach beyond 1."""
    triplets = np.arange(30).reshape(10, 3)
    before = np.tile([0.0, 1.0, 1.0], (10, 1))
    before[0] = 1.0
    judged = judge_choices(before, 1.0 - before, triplets, None)
    assert judged.before[0::2] == (0.9, 1.0)
    assert judged.after == (0.0, 0.0, 0.0)
    assert judged.difference[1] == -1.0 < judged.difference[0], "nor does what they differ by reach beyond 1"


def test_triplets_that_all_share_an_object_have_no_interval() -> None:
    triplets = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]])
    judged = judge_choices(np.eye(3), 1.0 - np.eye(3), triplets, None)
    for found in (judged.before, judged.after, judged.difference):
        assert np.isfinite(found[0])
        assert np.isnan(found[1:]).all()
    assert np.isnan(judged.p)


def test_the_ceiling_is_between_both_estimates_of_repeated_triplets() -> None:
    repeated = np.array([[0, 1, 2]] * 3 + [[2, 1, 0]] + [[3, 4, 5]] * 2 + [[6, 7, 8]])
    largest, agreeing = (0.75 + 1.0) / 2, (3 + 0 + 2) / 6  # 3 of 4, 2 of 2; one judged once
    assert noise_ceiling(repeated, None) == pytest.approx((largest + agreeing) / 2)
    assert noise_ceiling(repeated, 0.6767) == noise_ceiling(repeated, None)
    assert noise_ceiling(repeated[-2:], 0.6767) == 0.6767
    assert np.isnan(noise_ceiling(repeated[-2:], None))


def test_the_ceiling_is_the_one_that_runs_report() -> None:
    judgments = DATASETS.load("shapes-high").read(None, ("test",))
    triplets = to_triplets(judgments)
    asked = Choices(judgments.judged, judgments.human.astype(np.int64), np.arange(len(triplets))[:, None])
    scores = {score.metric: score for score in score_with_ceiling([np.ones(len(triplets))], asked, None, 0)}
    found = noise_ceiling(triplets, None)
    assert found == pytest.approx(scores["ceiling_mean"].value[0], rel=1e-12)
    choices: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for row in triplets.tolist():
        choices[tuple(sorted(row))][row[2]] += 1
    shares = [max(count.values()) / count.total() for count in choices.values() if count.total() > 1]
    assert len(shares) == 1000
    agree = []
    for count in (each for each in choices.values() if each.total() > 1):
        for own, times in count.items():
            others = count - Counter([own])
            majority = [odd for odd, number in others.items() if number == max(others.values())]
            agree += [(own in majority) / len(majority)] * times
    assert found == pytest.approx((np.mean(shares) + np.mean(agree)) / 2, rel=1e-12)


def test_entropy_is_scipys() -> None:
    logits = -triplet_distances(X, TRIPLETS, "dot")
    assert softmax_entropy(X, TRIPLETS) == pytest.approx(entropy(softmax(logits, axis=1), axis=1).mean(), rel=1e-10)
    assert softmax_entropy(1000.0 * np.eye(3)[[0, 0, 1]], np.array([[0, 1, 2]])) == 0.0
    assert softmax_entropy(np.eye(3), np.array([[0, 1, 2]])) == pytest.approx(np.log(3))


def test_triplets_are_those_of_the_judgments() -> None:
    judgments = DATASETS.load("shapes-high").read(None, ("trainset",))
    triplets = to_triplets(judgments)
    options = judgments.pairs[judgments.judged]
    for row in range(0, len(triplets), 500):
        i, j, k = triplets[row]
        assert {i, j} == set(options[row, 0])
        assert {frozenset((i, k)), frozenset((j, k))} == {frozenset(pair) for pair in options[row, 1:].tolist()}
    turned = replace(judgments, human=np.arange(len(triplets)) % 3)  # another pair is kept
    for row, (i, j, k) in enumerate(to_triplets(turned)[:9]):
        assert {i, j} == set(options[row, row % 3])
        assert {i, j, k} == set(options[row].flatten())
    with pytest.raises(UsageError, match="no odd-one-out"):
        to_triplets(DATASETS.load("shapes-middle").read(None, ("test",)))
