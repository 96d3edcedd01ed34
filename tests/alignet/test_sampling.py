"""Triplets by five rules: each row by its rule, all as likely as they should be, and the same whatever the block."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chisquare

from alignbench.alignet import sample_triplets, sampling
from alignbench.alignet.sampling import RULES, WEIGHINGS, SamplingOptions, small_groups
from alignbench.errors import DataError, UsageError

GROUPS = np.array([2, 0, 0, 1, 2, 2, 0, 5, 2])  # sizes: 3, 1, 4, and one of number 5


def probability(triplet: tuple[int, ...], rule: str, by_size: bool) -> float:
    """How likely a triplet is, worked out step by step."""
    group = GROUPS[list(triplet)].tolist()
    sizes = {number: int((number == GROUPS).sum()) for number in set(GROUPS.tolist())}
    if rule == "random":
        return 1 / (9 * 8 * 7)

    def of(number: int, others: tuple[int, ...], least: int = 1) -> float:
        """How likely a group is drawn, others left out."""
        left = {each: size for each, size in sizes.items() if each not in others and size >= least}
        if number not in left:
            return 0.0
        return left[number] / sum(left.values()) if by_size else 1 / len(left)

    a, b, c = group
    if rule == "within-class":
        return (a == b == c) * of(a, (), 3) / (sizes[a] * (sizes[a] - 1) * (sizes[a] - 2) or 1)
    if rule == "between-class":
        return of(a, ()) * of(b, (a,)) * of(c, (a, b)) / (sizes[a] * sizes[b] * sizes[c])
    return (a == b) * of(a, (), 2) / (sizes[a] * (sizes[a] - 1) or 1) * of(c, (a,)) / sizes[c]


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("rule", RULES)
def test_every_triplet_is_as_likely_as_its_rule_says(rule: str, weighing: str) -> None:
    count = 60_000
    found = sample_triplets(GROUPS, count, SamplingOptions(rule, weighing, seed=11))
    expected = {triplet: probability(triplet, rule, weighing == "size") for triplet in permutations(range(9), 3)}
    np.testing.assert_allclose(sum(expected.values()), 1, rtol=1e-12)
    counts = np.bincount(found.astype(np.int64) @ [81, 9, 1], minlength=9**3)
    drawn = {triplet: int(counts[np.dot(triplet, [81, 9, 1])]) for triplet in expected}  # none has a picture twice
    possible = [triplet for triplet, likely in expected.items() if likely > 0]
    assert sum(drawn[triplet] for triplet in possible) == count
    assert chisquare([drawn[each] for each in possible], [count * expected[each] for each in possible]).pvalue > 1e-3


@pytest.mark.parametrize("rule", RULES)
def test_rows_follow_the_rule_among_many_groups(rule: str) -> None:
    groups = np.random.default_rng(0).integers(0, 40, 1000)
    found = sample_triplets(groups, 30_000, SamplingOptions(rule))
    assert found.dtype == np.int32
    assert (np.diff(np.sort(found, axis=1), axis=1) > 0).all(), "a picture stands twice in a triplet"
    a, b, c = groups[found].T
    follows = {
        "cluster-border": (a == b) & (a != c),
        "class-border": (a == b) & (a != c),
        "within-class": (a == b) & (b == c),
        "between-class": (a != b) & (a != c) & (b != c),
        "random": np.ones(len(found), dtype=bool),
    }
    assert follows[rule].all()
    assert len(np.unique(found)) == 1000, "some pictures are never drawn"


@pytest.mark.parametrize("rule", RULES)
def test_a_row_depends_on_the_seed_and_its_number_alone(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SamplingOptions(rule, seed=3)
    whole = sample_triplets(GROUPS, 1000, options)
    np.testing.assert_array_equal(sample_triplets(GROUPS, 123, options), whole[:123])
    monkeypatch.setattr(sampling, "_BLOCK", 64)
    into = np.zeros((1000, 3), dtype=np.int32)
    assert sample_triplets(GROUPS, 1000, options, into=into) is into
    np.testing.assert_array_equal(into, whole)
    other = sample_triplets(GROUPS, 1000, SamplingOptions(rule, seed=4))
    assert (other != whole).any(axis=1).mean() > 0.5


@pytest.mark.parametrize(
    ("groups", "rule", "said"),
    [
        ([0, 0, 0], "cluster-border", r"takes pictures of 2 clusters, and there is 1 \(a\)"),
        ([1, 1, 2, 2], "between-class", r"takes pictures of 3 classes, and there are 2 \(b, c\)"),
        ([0, 1, 2], "class-border", r"takes 2 pictures of one of the classes, and each of the 3 \(a, b, c\) has fewer"),
        ([0, 0, 1, 1], "within-class", r"takes 3 pictures of one of the classes, and each of the 2 \(a, b\) has fewer"),
        ([0, 0], "random", "2 pictures cannot make a triplet"),
        ([], "cluster-border", "and there is 0"),
    ],
)
def test_groups_that_give_none_are_refused_by_name(groups: list[int], rule: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        sample_triplets(np.array(groups, dtype=np.int32), 5, SamplingOptions(rule), "abc")


@pytest.mark.parametrize(
    ("options", "count", "said"),
    [
        (SamplingOptions("cluster-boarder"), 1, "did you mean cluster-border"),
        (SamplingOptions(weighing="sizes"), 1, "did you mean size"),
        (SamplingOptions(seed=-1), 1, "the seed -1 is out of range"),
        (SamplingOptions(), 0, "0 triplets are none"),
    ],
)
def test_what_cannot_be_is_refused(options: SamplingOptions, count: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sample_triplets(GROUPS, count, options)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (np.array([0.0, 0.0, 1.0]), "type float64 are no whole numbers"),
        (np.array(["a", "a", "b"]), "are no whole numbers"),
        (np.zeros((3, 2), dtype=int), r"groups of shape \(3, 2\)"),
        (np.array([0, 0, -1]), "picture 2 is of group -1: number groups from 0"),
    ],
)
def test_groups_that_are_no_numbers_are_refused(groups: np.ndarray, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sample_triplets(groups, 1)


def test_small_groups_are_named() -> None:
    assert small_groups(GROUPS, "cluster-border").tolist() == [1, 5]
    assert small_groups(np.array([0, 0, 2, 2, 2]), "within-class").tolist() == [0]
    assert small_groups(GROUPS, "random").tolist() == []
