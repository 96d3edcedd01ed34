"""Sums of heads in an order that was chosen on other judgments: planted heads, and every score by hand."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.arrays import Floats, Indices
from alignbench.distances.protocols import PAPER
from alignbench.errors import DataError, UsageError
from alignbench.interpret.cumulative import Halvings, SummedHeads, cumulative_scores, halved
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.own_scores import own_scores

COUNT, PLANTED = 240, (5, 2)
RNG = np.random.default_rng(0)
HEADS = RNG.standard_normal((8, 3 * COUNT, 4))
PAIRS = np.stack([np.repeat(np.arange(0, 3 * COUNT, 3), 2), np.delete(np.arange(3 * COUNT), np.s_[::3])], axis=1)


def distances_of(rows: Floats, pairs: Indices) -> Floats:
    """Euclidean, of some pairs."""
    return np.linalg.norm(rows[PAIRS[pairs, 0]] - rows[PAIRS[pairs, 1]], axis=1)


def planted() -> tuple[SummedHeads, JudgedPart]:
    """People go by the sum of two of eight heads, of which the first counts more."""
    heads = HEADS.copy()
    heads[PLANTED[0]] *= 1.3
    everything = np.arange(len(PAIRS))
    people = distances_of(heads[PLANTED[0]] + heads[PLANTED[1]], everything).reshape(COUNT, 2)
    options = everything.reshape(COUNT, 2)
    part = JudgedPart("all", "choice", options, people.argmin(axis=1).astype(float), np.arange(COUNT)[:, None])
    alone = np.stack([distances_of(head, everything) for head in heads])
    return SummedHeads(alone, lambda number: heads[number], distances_of), part


def test_planted_heads_come_first_and_are_enough() -> None:
    """Two heads reach all that can be reached, on judgments that they were not chosen on; further ones take from it."""
    heads, part = planted()
    frame = cumulative_scores(heads, part, PAPER, Halvings(most=5, splits=6))
    assert len(frame) == 6 * 2 * 2 * 5
    means = frame.groupby(["kind", "heads"])["value"].mean()
    assert means["chosen", 1] > 0.7
    assert means["chosen", 2] > 0.9
    assert means["chosen", 5] < means["chosen", 2]
    assert means["random", 1] < means["chosen", 1] - 0.15


def test_chosen_and_scored_halves_are_apart() -> None:
    """Each value is that of the other half's order, worked out once more from the halves that are drawn."""
    heads, part = planted()
    how = Halvings(most=3, splits=1, seed=4)
    frame = cumulative_scores(heads, part, PAPER, how).set_index(["kind", "direction", "heads"])["value"]
    halves = halved(part, np.random.default_rng(4))
    assert {len(half.human) for half in halves} == {COUNT // 2}
    assert not set(halves[0].options.ravel()) & set(halves[1].options.ravel())
    for direction, (scored, other) in enumerate((halves, halves[::-1])):
        right = heads.alone[:, other.options].argmin(axis=2) == other.human
        order = np.argsort(-right.mean(axis=1), kind="stable")
        for many in (1, 2, 3):
            total = sum(heads.contributions(int(head)) for head in order[:many])
            near = distances_of(total, scored.options.ravel()).reshape(-1, 2).argmin(axis=1)
            assert frame["chosen", direction, many] == pytest.approx((near == scored.human).mean())


def test_random_orders_are_the_same_in_both_directions() -> None:
    """All heads together are the same sum in every order: both kinds meet there."""
    heads, part = planted()
    frame = cumulative_scores(heads, part, PAPER, Halvings(most=20, splits=2)).pivot(
        index=["split", "direction", "heads"], columns="kind", values="value"
    )
    last = frame.loc[(slice(None), slice(None), 8), :]
    assert frame.index.get_level_values("heads").max() == 8
    np.testing.assert_allclose(last["chosen"], last["random"])


def test_objects_are_halved_where_judgments_share_them() -> None:
    """Judgments with objects of both halves are in neither."""
    rng = np.random.default_rng(1)
    objects = np.stack([rng.choice(12, 3, replace=False) for _ in range(400)])
    part = JudgedPart("all", "choice", np.tile([[0, 1, 2]], (400, 1)), np.zeros(400), objects)
    one, other = halved(part, rng)
    assert not set(one.clusters.ravel()) & set(other.clusters.ravel())
    assert 0.15 < (len(one.human) + len(other.human)) / 400 < 0.25  # 2 x (6 x 5 x 4) / (12 x 11 x 10) = 0.18


def test_ratings_are_scored_by_their_own_measure() -> None:
    """By halves of references."""
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((3, 40, 2))
    pairs = np.stack([np.arange(40), np.roll(np.arange(40), 1)], axis=1)

    def distance(total: Floats, chosen: Indices) -> Floats:
        return np.linalg.norm(total[pairs[chosen, 0]] - total[pairs[chosen, 1]], axis=1)

    alone = np.stack([distance(head, np.arange(40)) for head in rows])
    references = np.repeat(np.arange(8), 5)[:, None]
    part = JudgedPart("all", "rating", np.arange(40)[:, None], -alone[1], references)
    frame = cumulative_scores(SummedHeads(alone, lambda head: rows[head], distance), part, PAPER, Halvings(2, 3))
    first = frame[(frame["kind"] == "chosen") & (frame["heads"] == 1)]["value"]
    np.testing.assert_allclose(first, 1.0)
    assert own_scores(part, alone, PAPER)[1] == pytest.approx(1.0)


def test_too_few_judgments_are_refused() -> None:
    """In a line that says which half of what."""
    part = JudgedPart("few", "rating", np.arange(4)[:, None], np.arange(4.0), np.arange(4)[:, None])
    with pytest.raises(DataError, match="half of the 4 clusters of few holds 2 judgments, too few to score heads on"):
        halved(part, np.random.default_rng(0))
    with pytest.raises(UsageError, match="splits is 0"):
        Halvings(splits=0).checked()
