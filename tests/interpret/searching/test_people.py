"""Likeness and pairs against plain dictionaries and loops, judgment by judgment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import percentileofscore

from alignbench.datasets.judgments import Judgments, Kind, Subset, unique_pairs
from alignbench.errors import DataError, UsageError
from alignbench.interpret.searching.people import likeness, people_pairs
from made_judgments import NamedImages, odd_one_out

IMAGES = 9
NAMES = [f"{number}.png" for number in range(IMAGES)]


def judged(kind: Kind, options: int, count: int = 60, seed: int = 0, votes: bool = False) -> Judgments:
    """Judgments of pairs that come again, the other way round and in another fold too; the last ten in no subset."""
    rng = np.random.default_rng(seed)
    ends = np.array([[rng.choice(IMAGES, 2, replace=False) for _ in range(options)] for _ in range(count)])
    pairs, numbers = unique_pairs(ends, rng.integers(0, 2, count))
    human = {
        "rating": rng.normal(size=count),
        "choice": rng.integers(0, options, count).astype(float),
        "preference": rng.integers(0, 5, count) / 4,
    }[kind]
    return Judgments(
        *("by hand", "high", kind, NamedImages(tuple(NAMES)), pairs, numbers, human),
        ids=[str(number) for number in range(count)],
        subsets=(Subset("all", np.arange(count - 10), np.arange(count - 10)[:, None]),),
        votes=rng.integers(1, 9, count) if votes else None,
    )


def by_hand(judgments: Judgments, names: list[str]) -> tuple[dict[frozenset[str], list[tuple[float, float]]], int]:
    """What was said of each pair, with how many people that is, and how many judgments lack a picture."""
    said, lacking = defaultdict(list), 0
    for row in range(len(judgments.human) - 10):
        options = [[judgments.images.names[end] for end in judgments.pairs[pair]] for pair in judgments.judged[row]]
        if any(name not in names for option in options for name in option):
            lacking += 1
            continue
        human = float(judgments.human[row])
        for column, option in enumerate(options):
            value = {
                "rating": human,
                "choice": float(column == human),
                "preference": human if column == 1 else 1 - human,
            }[judgments.kind]
            people = 1 if judgments.votes is None or judgments.kind != "preference" else int(judgments.votes[row])
            said[frozenset(option)].append((value, people))
    return said, lacking


@pytest.mark.parametrize(
    ("kind", "options", "votes"),
    [
        ("rating", 1, False),
        ("choice", 2, True),
        ("choice", 3, False),
        ("preference", 2, False),
        ("preference", 2, True),
    ],
)
@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], [*NAMES[1:], "other.png"]])
def test_likeness_is_that_of_plain_counting(kind: Kind, options: int, votes: bool, names: list[str]) -> None:
    judgments = judged(kind, options, votes=votes)
    said, lacking = by_hand(judgments, names)
    found = likeness(judgments, names)
    assert (found.judgments, found.left_out) == (50 - lacking, lacking)
    assert len(found.pairs) == len(said)
    for (first, second), value, count in zip(found.pairs, found.value, found.count, strict=True):
        told = said[frozenset((names[first], names[second]))]
        assert count == len(told)
        assert value == pytest.approx(sum(each * people for each, people in told) / sum(people for _, people in told))


def test_units_say_what_people_gave() -> None:
    units = {kind: likeness(judged(kind, options), NAMES).unit for kind, options in (("rating", 1), ("preference", 2))}
    assert units == {"rating": "mean rating", "preference": "share of the people who preferred it"}
    assert likeness(odd_one_out(), list("abcdef")).unit == "share of the choices in which this pair was chosen"


def test_odd_ones_out_by_hand() -> None:
    """Triplets abc (ab), bac (bc), def (ef), aed (ae), bca (ca), edf (ed); fab is in no subset."""
    found = likeness(odd_one_out(), list("abcdef"))
    told = {
        "".join(sorted("abcdef"[end] for end in pair)): (value, count)
        for pair, value, count in zip(found.pairs, found.value, found.count, strict=True)
    }
    third, half = pytest.approx(1 / 3), pytest.approx(1 / 2)
    assert told == {
        **{"ab": (third, 3), "ac": (third, 3), "bc": (third, 3), "de": (third, 3), "df": (0.0, 2), "ef": (half, 2)},
        **{"ae": (1.0, 1), "ad": (0.0, 1)},
    }


def test_other_pictures_are_refused_and_a_picture_is_no_pair() -> None:
    with pytest.raises(DataError, match="hold no pictures that were judged in by hand: decompose its own pictures by"):
        likeness(judged("rating", 1), ["other.png"])
    of_itself = judged("rating", 1)
    pairs = of_itself.pairs.copy()
    pairs[0] = (3, 3)
    found = likeness(replace(of_itself, pairs=pairs), NAMES)
    assert (found.pairs[:, 0] != found.pairs[:, 1]).all()


@pytest.mark.parametrize("measure", ["dot", "cosine", "centred"])
@pytest.mark.parametrize("picture", [None, 4])
def test_pairs_are_those_of_a_loop(measure: str, picture: int | None) -> None:
    alike = likeness(judged("choice", 2), NAMES)
    rng = np.random.default_rng(3)
    heads = {(2, 0): rng.normal(size=(IMAGES, 4)), (2, 1): rng.integers(0, 2, size=(IMAGES, 4)).astype(float)}
    found = people_pairs(heads.items(), alike, 5, measure, picture)
    shown = [n for n, pair in enumerate(alike.pairs.tolist()) if picture is None or picture in pair]
    best = sorted(shown, key=lambda n: (-alike.value[n], -alike.count[n], n))[:5]
    assert [each.heads for each in found] == [((2, 0),), ((2, 1),)]
    for each, rows in zip(found, heads.values(), strict=True):
        wide = rows - rows.mean(axis=0) if measure == "centred" else rows
        lengths = np.ones(IMAGES) if measure == "dot" else np.linalg.norm(wide, axis=1)
        values = [
            float(wide[a] @ wide[b] / (lengths[a] * lengths[b])) if lengths[a] * lengths[b] else 0.0
            for a, b in alike.pairs
        ]
        assert np.stack([each.first, each.second], axis=1).tolist() == alike.pairs[best].tolist()
        assert each.people.tolist() == alike.value[best].tolist()
        assert each.counts.tolist() == alike.count[best].tolist()
        np.testing.assert_allclose(each.values, [values[n] for n in best], atol=1e-12)
        rounded = np.round(values, 9)
        ranks = [percentileofscore(rounded, rounded[n], kind="mean") for n in best]
        np.testing.assert_allclose(people_pairs([((1, 0), rows)], alike, 5, measure, picture)[0].ranks, each.ranks)
        if measure == "dot":  # where equal products are equal to the last digit
            np.testing.assert_allclose(each.ranks, ranks)


def test_a_picture_that_nobody_judged_is_refused() -> None:
    alike = likeness(odd_one_out(), [*"abcdef", "g"])
    with pytest.raises(UsageError, match="no pair of this picture was judged: name another by --picture"):
        people_pairs([((1, 0), np.zeros((7, 2)))], alike, picture=6)
