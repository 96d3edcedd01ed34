"""The order of triplets: each once an epoch, of the seed and the step alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from alignbench.alignet.triplet_order import TripletOrder
from alignbench.errors import UsageError


@settings(max_examples=12, deadline=None)
@given(count=st.integers(1, 250), batch=st.integers(1, 90), seed=st.integers(0, 2**63 - 1))
def test_each_triplet_is_seen_once_an_epoch(count: int, batch: int, seed: int) -> None:
    order = TripletOrder(count, batch, seed)
    steps = -(-2 * count // batch)
    seen = np.concatenate([order.rows(step) for step in range(steps)])
    for epoch in (seen[:count], seen[count : 2 * count]):
        assert sorted(epoch.tolist()) == list(range(count))


@settings(max_examples=20, deadline=None)
@given(parts=st.integers(1, 8), each=st.integers(1, 20), step=st.integers(0, 10**7))
def test_parts_are_disjoint_and_together_the_step(parts: int, each: int, step: int) -> None:
    order = TripletOrder(1000, parts * each, 5)
    whole = order.rows(step)
    for part in range(parts):
        assert order.rows(step, part, parts).tolist() == whole[part::parts].tolist()


def test_epochs_and_seeds_differ() -> None:
    orders = [TripletOrder(500, 500, seed) for seed in (0, 1)]
    lists = [tuple(order.rows(step).tolist()) for order in orders for step in (0, 1)]
    assert len(set(lists)) == 4


def _place_by_place(count: int, batch: int, seed: int, step: int) -> list[int]:
    """The same order with Python's own whole numbers, one triplet after another."""
    word, found = 2**64 - 1, []
    half = max(2, -(-(count - 1).bit_length() // 2))
    for place in range(step * batch, (step + 1) * batch):
        epoch, number = divmod(place, count)
        stream = hashlib.shake_256(f"triplets {seed} {epoch}".encode()).digest(64)
        keys = [int.from_bytes(stream[start : start + 8], "little") for start in range(0, 64, 8)]
        while True:
            left, right = number >> half, number % 2**half
            for key in keys:
                mixed = (right + key) & word
                mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & word
                mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & word
                left, right = right, left ^ ((mixed ^ (mixed >> 31)) % 2**half)
            number = (left << half) + right
            if number < count:
                break
        found.append(number)
    return found


@pytest.mark.parametrize(
    ("count", "batch", "seed", "step"),
    [(10_000_000, 64, 7, 123_456), (5, 12, 0, 3), (1, 3, 1, 1), (1024, 9, 2**40, 80)],
)
def test_an_order_is_that_of_whole_numbers_one_by_one(count: int, batch: int, seed: int, step: int) -> None:
    assert TripletOrder(count, batch, seed).rows(step).tolist() == _place_by_place(count, batch, seed, step)


@pytest.mark.parametrize("count", [3, 40])
def test_every_triplet_is_as_likely_at_every_place(count: int) -> None:
    drawn = np.array([TripletOrder(count, count, seed).rows(0) for seed in range(700)])
    for place in (0, 1, count - 1):
        assert chisquare(np.bincount(drawn[:, place], minlength=count)).pvalue > 1e-4
    followers = (drawn[:, 1] - drawn[:, 0]) % count  # what comes second depends on nothing but what came first
    assert chisquare(np.bincount(followers, minlength=count)[1:]).pvalue > 1e-4


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(UsageError, match="0 triplets"):
        TripletOrder(0, 4)
    with pytest.raises(UsageError, match="a batch of 10 triplets cannot be cut into 4 equal parts"):
        TripletOrder(100, 10).rows(0, 0, 4)
