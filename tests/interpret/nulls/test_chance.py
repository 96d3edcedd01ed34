"""Beyond chance: permutations written out by hand, what is planted, and how often chance alone is taken for more."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.distances.protocols import CORRECTED, PAPER
from alignbench.errors import UsageError
from alignbench.interpret.nulls.chance import beyond_chance
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.own_scores import own_scores


def part_of(kind: str, human: Floats, options: int, clusters: Floats | None = None) -> JudgedPart:
    """Judgments of which each has pairs of its own."""
    count = len(human)
    judged = np.arange(count * options).reshape(count, options)
    return JudgedPart("all", kind, judged, human, np.arange(count)[:, None] if clusters is None else clusters)


def permuted_accuracy(distances: Floats, count: int, draws: int) -> Floats:
    """The largest t of accuracies of choices drawn anew, written out: (draws,)."""
    rng = np.random.default_rng(99)
    closest = distances.reshape(len(distances), count, 3).argmin(axis=2)
    drawn = rng.integers(0, 3, (draws, count))
    accuracy = (closest[:, None] == drawn[None]).mean(axis=2)
    return ((accuracy - 1 / 3) / np.sqrt(2 / 9 / count)).max(axis=0)


def test_p_is_that_of_choices_drawn_anew() -> None:
    """Of three options each is chosen as often: the largest accuracy of five components, drawn by other code."""
    rng = np.random.default_rng(0)
    count = 90
    distances = rng.random((5, count * 3))
    chosen = distances[0].reshape(count, 3).argmin(axis=1)
    human = np.where(np.arange(count) < 18, chosen, rng.integers(0, 3, count)).astype(float)
    part = part_of("choice", human, 3)
    largest = permuted_accuracy(distances, count, 20_000)
    t = (own_scores(part, distances, PAPER) - 1 / 3) / np.sqrt(2 / 9 / count)
    expected = (largest[None] >= t[:, None] - 1e-9).mean(axis=1)
    assert 0.01 < expected[0] < 0.3
    np.testing.assert_allclose(beyond_chance(part, distances, PAPER, draws=5000), expected, atol=0.02)


def test_what_is_planted_is_found_in_every_kind_of_judgment() -> None:
    """One of 60 components knows what people go by, and no other is taken for it."""
    rng = np.random.default_rng(1)
    for kind, options in (("choice", 2), ("choice", 3), ("preference", 2), ("rating", 1)):
        truth, count = rng.random((120, options)), 120
        human = -truth[:, 0] if kind == "rating" else truth.argmin(axis=1).astype(float)
        noisy = human + 0.1 * rng.standard_normal(count) if kind == "rating" else human
        said = np.clip(noisy, 0.1, 0.9) if kind == "preference" else noisy
        distances = rng.random((60, count * options))
        distances[37] = truth.ravel()
        p = beyond_chance(part_of(kind, said, options, np.repeat(np.arange(6), 20)[:, None]), distances, CORRECTED)
        assert p[37] < 0.001, kind
        assert (np.delete(p, 37) > 0.05).all(), kind


def test_ratings_are_permuted_within_their_reference() -> None:
    """Telling references apart correlates with ratings; it does not go beyond what telling them apart gives."""
    rng = np.random.default_rng(2)
    reference = np.repeat(np.arange(10), 12)
    human = reference + 0.5 * rng.random(120)
    distances = (-reference + 0.5 * rng.random(120))[None]
    within = part_of("rating", human, 1, reference[:, None])
    assert own_scores(within, distances, PAPER)[0] > 0.9
    assert beyond_chance(within, distances, PAPER)[0] > 0.02
    crossed = part_of("rating", human, 1, np.stack([reference, reference], axis=1))  # pictures, no references
    assert beyond_chance(crossed, distances, PAPER)[0] < 1e-6


def test_answers_to_one_triplet_are_permuted_together() -> None:
    """Twenty people who agree on one triplet are one answer: with two options, chance is right half of the time."""
    options = np.tile([[0, 1]], (20, 1))
    options[::2] = options[::2, ::-1]  # named in either order
    human = np.tile([1.0, 0.0], 10)
    once = JudgedPart("all", "choice", options, human, np.zeros((20, 1), dtype=np.int64))
    assert own_scores(once, np.array([[0.1, 0.2]]), PAPER)[0] == 1.0
    assert beyond_chance(once, np.array([[0.1, 0.2]]), PAPER)[0] == pytest.approx(0.5, abs=0.06)
    apart = part_of("choice", np.zeros(20), 2)
    assert beyond_chance(apart, np.tile([0.1, 0.2], 20)[None], PAPER)[0] < 1e-4


def test_chance_alone_is_taken_for_more_once_in_twenty() -> None:
    """Of 200 worlds in which people choose without looking, with components that are like each other."""
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(200):
        shared = rng.random((1, 120))
        distances = shared + 0.3 * rng.random((20, 120))
        part = part_of("choice", rng.integers(0, 3, 40).astype(float), 3)
        found += bool((beyond_chance(part, distances, PAPER, draws=99) <= 0.05).any())
    assert 2 <= found <= 20  # 10 are expected, and 99.9 % of such samples lie here


def test_a_component_without_distances_has_no_p() -> None:
    """Equal distances have no correlation; their tied choices are all right or wrong whatever people say."""
    ratings = part_of("rating", np.arange(5.0), 1, np.zeros((5, 1)))
    assert np.isnan(beyond_chance(ratings, np.stack([np.ones(5), np.arange(5.0)]), PAPER)).tolist() == [True, False]
    choices = part_of("choice", np.zeros(5), 2)
    assert np.isnan(beyond_chance(choices, np.ones((1, 10)), CORRECTED)).all()
    assert np.isnan(beyond_chance(choices, np.ones((1, 10)), PAPER)).all()


def test_no_draws_are_refused() -> None:
    """In a line that says how many."""
    with pytest.raises(UsageError, match="draws are 0: give at least 1"):
        beyond_chance(part_of("choice", np.zeros(5), 2), np.ones((1, 10)), PAPER, draws=0)
