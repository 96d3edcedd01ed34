"""Pairs of curves whose truth is known, see `selection.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.statistics.joint import Estimates, TwoCurves, jointly, of_influences
from alignbench.statistics.scores import rating_replicates

Rng = np.random.Generator
ERROR = 0.0155  # standard error of each score, as of accuracies of 0.6 on 1,000 judgments
CLUSTERS = 25
RANKS = 0.92  # of bands of rank correlations over 25 references: what remains of their skewness
LOW = 0.05  # how far a poor layer lies below the best


@dataclass(frozen=True)
class World:
    """Two curves of known truth.

    Attributes:
        name: For `--only`.
        first: True scores of the layers of the first model.
        second: Those of the second.
        draw: Makes curves that one sample of judgments gives.
        band: Share of samples in which bands have to hold.
    """

    name: str
    first: Floats
    second: Floats
    draw: Callable[[Rng], TwoCurves]
    band: float = 0.94

    @property
    def difference(self) -> float:
        """Of the best true scores."""
        return float(self.first.max() - self.second.max())


def equal_correlations(first: int, second: int, within: float) -> Floats:
    """Layers of a model correlate by `within`, those of two models by 0.6 of it."""
    model = np.repeat([0, 1], [first, second])
    correlations = np.where(model[:, None] == model, within, 0.6 * within)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def neighbours(first: int, second: int, step: float) -> Floats:
    """Layers correlate the less, the further they are apart in depth, and those of two models by 0.7 of that."""
    depth = np.concatenate([np.linspace(0.0, 1.0, first), np.linspace(0.0, 1.0, second)])
    model = np.repeat([0, 1], [first, second])
    correlations = step ** (12.0 * np.abs(depth[:, None] - depth)) * np.where(model[:, None] == model, 1.0, 0.7)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def limit_world(name: str, first: Floats, second: Floats, correlations: Floats) -> World:
    """Many judgments: scores are normal, and their covariance is known."""
    root = ERROR * np.linalg.cholesky(correlations)
    truth = np.concatenate([first, second])

    def draw(rng: Rng) -> TwoCurves:
        value = truth + root @ rng.standard_normal(len(truth))
        return TwoCurves(Estimates(value, root @ root.T, np.inf), len(first))

    return World(name, first, second, draw)


def cluster_world(
    name: str, first: Floats, second: Floats, correlations: Floats, noise: Callable[[Rng, tuple[int, int]], Floats]
) -> World:
    """25 clusters, each with a score of its own in every layer; `noise` has mean 0 and variance 1."""
    root = ERROR * np.sqrt(CLUSTERS) * np.linalg.cholesky(correlations)
    truth = np.concatenate([first, second])

    def draw(rng: Rng) -> TwoCurves:
        scores = truth[:, None] + root @ noise(rng, (len(truth), CLUSTERS))
        value = scores.mean(axis=1)
        return TwoCurves(of_influences(value, (scores - value[:, None]) / CLUSTERS), len(first))

    return World(name, first, second, draw)


def normal(rng: Rng, shape: tuple[int, int]) -> Floats:
    return rng.standard_normal(shape)


def heavy(rng: Rng, shape: tuple[int, int]) -> Floats:
    """Student's t of 5 degrees of freedom."""
    return rng.standard_t(5.0, shape) * np.sqrt(0.6)


def skewed(rng: Rng, shape: tuple[int, int]) -> Floats:
    return 1.0 - rng.standard_exponential(shape)


def ratings_world(name: str, first: Floats, second: Floats, slopes: float) -> World:
    """25 references x 60 ratings, scored by Spearman's correlation over all.

    Args:
        name: Name of the world.
        first: Standard deviations of the noise of each layer's distances, smaller ones being better.
        second: Those of the second model.
        slopes: How unlike references are in how far distances grow with damage.
    """
    noise, count = np.concatenate([first, second]), len(first) + len(second)

    def sample(rng: Rng, references: int) -> tuple[Floats, Floats, Indices]:
        reference = np.repeat(np.arange(references), 60)
        damage, level = rng.uniform(0.0, 2.0, len(reference)), rng.normal(0.0, 0.4, references)
        own, shared = rng.standard_normal((count, references)), rng.standard_normal(references)
        slope = 1.0 + slopes * (np.sqrt(0.6) * shared + np.sqrt(0.4) * own)
        error = noise[:, None] * rng.standard_normal((2, count, len(reference))).sum(axis=0) * np.sqrt(0.5)
        rating = level[reference] - damage + rng.normal(0.0, 0.4, len(reference))
        return slope[:, reference] * damage + error, rating, reference

    distances, rating, _ = sample(np.random.default_rng(1), 4_000)
    every = np.array([stats.spearmanr(-row, rating).statistic for row in distances])
    truth = np.array([every[noise == each].mean() for each in noise])  # layers of one noise are worth the same

    def draw(rng: Rng) -> TwoCurves:
        distances, rating, reference = sample(rng, CLUSTERS)
        replicates, kind = rating_replicates(distances, rating, reference, 0, ("spearman",))
        found = replicates["spearman"]
        return jointly(found[: len(first)], found[len(first) :], kind, CLUSTERS)

    return World(name, truth[: len(first)], truth[len(first) :], draw, RANKS)


def worlds(only: str = "") -> Iterator[World]:
    """Those whose name contains `only`; what is truly the best has 0, ratings apart."""
    for name, make, *arguments in _named_worlds():
        if only in name:
            yield make(name, *arguments)


def _named_worlds() -> Iterator[tuple[Any, ...]]:
    flat, long = np.zeros(13), np.zeros(25)
    one = np.full(13, -LOW)
    one[6] = 0.0
    five = np.full(13, -LOW)
    five[4:9] = [-0.00125, -0.0025, 0.0, -0.00375, -0.005]
    peak = np.zeros(13)
    peak[8] = 0.04
    pairs = {
        "13 equal, 1 good": (flat, one),
        "5 close, 1 good": (five, one),
        "25 equal, 13 equal": (long, flat),
        "13 equal, 13 equal": (flat, flat),
        "flat, peak": (flat, peak),
    }
    for name, both in pairs.items():
        for within in (0.6, 0.8, 0.95):
            yield f"limit, {name}, {within}", limit_world, *both, equal_correlations(*map(len, both), within)
    for name, within in (
        ("13 equal, 1 good", 0.8),
        ("13 equal, 1 good", 0.95),
        ("25 equal, 13 equal", 0.8),
        ("flat, peak", 0.8),
    ):
        both = pairs[name]
        yield f"clusters, {name}, {within}", cluster_world, *both, equal_correlations(*map(len, both), within), normal
    poor = np.where(one < 0.0, 1.3, 0.8)
    yield "ratings, 13 equal, 1 good", ratings_world, np.full(13, 0.8), poor, 0.4
    rising = -0.03 * (1.0 - np.linspace(0.0, 1.0, 25)) ** 2
    rising[17:] = 0.0
    unlike, equal = equal_correlations(13, 13, 0.7), equal_correlations(13, 13, 0.9)
    yield "new, neighbours, 25 rising, 1 good", cluster_world, rising, one, neighbours(25, 13, 0.9), normal
    yield "new, heavy tails, 13 equal, 1 good", cluster_world, flat, one, unlike, heavy
    yield "new, skewed, 13 equal, 13 equal", cluster_world, flat, flat, equal, skewed
    yield "new, ratings, rising, 13 equal", ratings_world, np.linspace(1.0, 0.5, 13), np.full(13, 0.5), 0.25
