"""How often the 95 % intervals hold the truth, on simulated judgments whose generating population is known.

    python benchmarks/coverage.py [--draws 1000]

Each draw takes clusters from a population, scores them, and asks whether the interval holds the population's value.

- ratings: a reference has its own slope and level, on which the distances and ratings of its pairs depend, with noise
- choices by triplet: a triplet has its own probability of being answered as the model does, and is judged 16 times
- choices by object: an object makes the triplets that it is in easier or harder
- differences: two models on the same triplets, the second a little worse
"""

import argparse
from collections.abc import Callable

import numpy as np
from scipy import stats
from scipy.special import expit

from alignbench.statistics.choice_scores import score_choices
from alignbench.statistics.scores import score_ratings
from paired_scores import compare_choices

Rng = np.random.Generator
Draw = Callable[[Rng], list[tuple[str, float, float, float]]]  # name, low, truth, high


def ratings_sample(rng: Rng, references: int, pairs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances, ratings and references, each (references x pairs,)."""
    reference = np.repeat(np.arange(references), pairs)
    slope, level = rng.normal(1.0, 0.4, references), rng.normal(0.0, 0.5, references)
    damage = rng.uniform(0.0, 2.0, len(reference))
    distance = slope[reference] * damage + rng.normal(0.0, 0.4, len(reference))
    rating = level[reference] - damage + rng.normal(0.0, 0.4, len(reference))
    return distance, rating, reference


def ratings_design(references: int, pairs: int, metrics: tuple[str, ...]) -> Draw:
    distance, rating, _ = ratings_sample(np.random.default_rng(1), 40_000, 100)
    correlate = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall": stats.kendalltau}
    truth = {metric: float(correlate[metric](-distance, rating).statistic) for metric in metrics}

    def draw(rng: Rng) -> list[tuple[str, float, float, float]]:
        distance, rating, reference = ratings_sample(rng, references, pairs)
        scores = score_ratings(distance[None], rating, reference, int(rng.integers(2**31)), metrics)
        return [(s.metric, s.low[0], truth[s.metric], s.high[0]) for s in scores]

    return draw


def triplet_design(triplets: int, times: int = 16) -> Draw:
    def draw(rng: Rng) -> list[tuple[str, float, float, float]]:
        easy = rng.beta(1.2, 0.8, triplets)  # mean 0.6
        cluster = np.repeat(np.arange(triplets), times)
        right = (rng.random(len(cluster)) < easy[cluster]).astype(np.float64)
        score = score_choices(right[None], cluster[:, None], int(rng.integers(2**31)))
        return [("accuracy", score.low[0], 0.6, score.high[0])]

    return draw


def difference_design(triplets: int, times: int = 16) -> Draw:
    def draw(rng: Rng) -> list[tuple[str, float, float, float]]:
        easy = rng.beta(1.2, 0.8, triplets)
        cluster = np.repeat(np.arange(triplets), times)
        threshold = rng.random(len(cluster))
        first = (threshold < easy[cluster]).astype(np.float64)
        second = (threshold < 0.95 * easy[cluster]).astype(np.float64)  # mean 0.57
        found = compare_choices(first, second, cluster, int(rng.integers(2**31)))
        return [("difference of accuracies", found.low, 0.03, found.high)]

    return draw


def object_design(objects: int, triplets: int) -> Draw:
    effects = np.random.default_rng(1).normal(0.0, 0.5, (4_000_000, 3)).sum(axis=1)
    truth = float(expit(0.3 + effects).mean())

    def draw(rng: Rng) -> list[tuple[str, float, float, float]]:
        effect = rng.normal(0.0, 0.5, objects)
        named = (
            np.argsort(rng.random((triplets, objects)), axis=1)[:, :3]
            if objects < 100
            else _distinct(rng, objects, triplets)
        )
        right = (rng.random(triplets) < expit(0.3 + effect[named].sum(axis=1))).astype(np.float64)
        score = score_choices(right[None], named, 0)
        return [("accuracy", score.low[0], truth, score.high[0])]

    return draw


def _distinct(rng: Rng, objects: int, triplets: int) -> np.ndarray:
    """Triplets of different objects, (triplets, 3)."""
    named = rng.integers(0, objects, (triplets, 3))
    while True:
        ordered = np.sort(named, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(again):
            return named
        named[again] = rng.integers(0, objects, (len(again), 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    every = ("spearman", "pearson", "kendall")
    designs: dict[str, Draw] = {
        "25 references x 120 ratings": ratings_design(25, 120, every),
        "1,000 references x 3 ratings": ratings_design(1000, 3, ("spearman",)),
        "25 triplets x 16 choices": triplet_design(25),
        "1,000 triplets x 16 choices": triplet_design(1000),
        "25 objects, 600 triplets": object_design(25, 600),
        "1,000 objects, 40,000 triplets": object_design(1000, 40_000),
        "25 triplets x 16 choices, two models": difference_design(25),
        "1,000 triplets x 16 choices, two models": difference_design(1000),
    }
    print(f"share of {draws} draws whose interval holds the truth (standard error {np.sqrt(0.95 * 0.05 / draws):.3f})")
    for name, draw in designs.items():
        held: dict[str, list[bool]] = {}
        for number in range(draws):
            for metric, low, truth, high in draw(np.random.default_rng((2, number))):
                held.setdefault(metric, []).append(low <= truth <= high)
        for metric, inside in held.items():
            print(f"{name:42s} {metric:26s} {np.mean(inside):.3f}", flush=True)


if __name__ == "__main__":
    main()
