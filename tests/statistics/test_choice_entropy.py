"""Entropies of choices: a model's against likelihoods that are searched by hand, people's by drawing two answers."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special

from alignbench.statistics.choice_entropy import model_entropies, people_entropies

Floats = NDArray[np.float64]


def world(triplets: int = 60, seed: int = 0) -> tuple[Floats, Floats]:
    """Distances, and counts of the choices of people whose softmax has a temperature of 0.5."""
    rng = np.random.default_rng(seed)
    distances = rng.uniform(1.0, 4.0, (triplets, 3))
    chances = special.softmax(-distances / 0.5 + rng.normal(size=distances.shape), axis=1)
    counts = [rng.multinomial(times, p) for times, p in zip(rng.integers(1, 7, triplets), chances, strict=True)]
    return distances, np.array(counts, dtype=np.float64)


def likelihood(distances: Floats, counts: Floats, temperature: float) -> float:
    """Log-likelihood of people's answers in the mean over triplets."""
    logs = special.log_softmax(-distances / temperature, axis=1)
    return float((counts * logs).sum(axis=1) @ (1.0 / counts.sum(axis=1)) / len(counts))


def test_the_temperature_is_the_most_likely_one() -> None:
    distances, counts = world()
    best = optimize.minimize_scalar(
        lambda log: -likelihood(distances, counts, np.exp(log)),
        bounds=(-5, 5),
        method="bounded",
        options={"xatol": 1e-9},
    )
    expected = special.entr(special.softmax(-distances / np.exp(best.x), axis=1)).sum(axis=1)
    np.testing.assert_allclose(model_entropies(distances, counts), expected, rtol=1e-5)


def test_held_out_triplets_choose_the_same_temperature() -> None:
    distances, counts = world()
    grid = np.exp(np.linspace(-3, 3, 1201))
    folds = np.random.default_rng(3).permutation(np.arange(60) % 5)
    held_out = [
        sum(likelihood(distances[folds == fold], counts[folds == fold], each) for fold in range(5)) for each in grid
    ]
    chosen = grid[int(np.argmax(held_out))]
    expected = special.entr(special.softmax(-distances / chosen, axis=1)).sum(axis=1)
    np.testing.assert_allclose(model_entropies(distances, counts), expected, atol=0.005)


def test_neither_scale_nor_place_of_distances_matters() -> None:
    distances, counts = world()
    expected = model_entropies(distances, counts)
    np.testing.assert_allclose(model_entropies(1e-9 * distances, counts), expected, rtol=1e-6)
    np.testing.assert_allclose(model_entropies(1e9 * distances + 1e9, counts), expected, rtol=1e-6)


@pytest.mark.parametrize("case", ["against people", "constant", "separated", "not a number"])
def test_there_are_no_entropies_without_a_temperature(case: str) -> None:
    distances, counts = world()
    if case == "against people":
        distances = -distances
    elif case == "constant":
        distances = np.ones_like(distances)
    elif case == "separated":
        counts = (distances == distances.min(axis=1, keepdims=True)).astype(np.float64)
    else:
        distances[3, 1] = np.nan
    assert np.isnan(model_entropies(distances, counts)).all()


def test_peoples_entropy_is_that_of_two_answers_in_the_mean_over_draws() -> None:
    counts = np.array([[4, 0, 0], [3, 1, 0], [0, 2, 2], [2, 1, 1], [1, 1, 0], [5, 3, 9], [1, 0, 0], [0, 0, 0]])
    found = people_entropies(counts.astype(np.float64))
    for row, value in zip(counts[:-2], found[:-2], strict=True):
        answers = np.repeat(np.arange(3), row)
        drawn = [special.entr(np.bincount(two, minlength=3) / 2.0).sum() for two in combinations(answers, 2)]
        assert value == pytest.approx(np.mean(drawn), rel=1e-12)
    assert np.isnan(found[-2:]).all()


def test_peoples_entropy_is_expected_to_be_the_same_whatever_their_number() -> None:
    rng, p = np.random.default_rng(1), np.array([0.6, 0.3, 0.1])
    for times in (2, 4, 9):
        found = people_entropies(rng.multinomial(times, p, 40_000).astype(np.float64))
        assert found.mean() == pytest.approx(np.log(2.0) * (1.0 - p @ p), abs=0.006)
