"""How often the 95 % intervals over judgments that share objects hold the truth, and how wide they are.

    python benchmarks/objects.py [--draws 1000] [--only NAME]

In each draw objects, judgments of them and answers are new. `width` is the mean width of the intervals over that of
2 x 1.96 true standard deviations, taken from the draws; `floored` the share of draws whose variance is that of distinct
triplets (pairs), because what these share came out below it. A model is right about a triplet where

    level + sum of its three objects' effects + the triplet's own effect + noise of the answer > 0,

all of them normal, so that its true accuracy is a normal probability. Where people and models choose by drawn vectors
of the objects instead, and for correlations over pairs of pictures, the truth is taken from millions of judgments that
share nothing. Worlds marked `*` were drawn up after the formulas had been fixed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from alignbench.statistics.choice_scores import score_choices
from alignbench.statistics.correlations import pearson, spearman
from alignbench.statistics.influences import mean_influences, pearson_influences, spearman_influences
from alignbench.statistics.scored_together import ObjectScores
from alignbench.statistics.scores import Scores, correlations_with_intervals
from alignbench.statistics.shared_objects import SharedObjects

Rng = np.random.Generator
Drawn = tuple[float, float, float, bool]  # the estimate, the ends of its interval, and whether its variance is floored
LEAST_COVERAGE = 0.93
MOST_WIDTH = 1.25


@dataclass(frozen=True)
class World:
    """Judgments that can be drawn, and the truth about them.

    Attributes:
        name: What they are.
        draw: Draws and scores them.
        truth: What is estimated.
        afterwards: Whether it was drawn up after the formulas had been fixed.
        beyond: How the docs say that it is beyond the limits; empty where it must keep to them.
    """

    name: str
    draw: Callable[[Rng], Drawn]
    truth: Callable[[], float]
    afterwards: bool = False
    beyond: str = ""


@dataclass(frozen=True)
class Row:
    """What came of the draws of a world.

    Attributes:
        coverage: Share of intervals that hold the truth.
        width: Mean width over the one that is needed.
        floored: Share of floored variances.
    """

    coverage: float
    width: float
    floored: float

    def keeps(self, draws: int) -> bool:
        """Whether it is within the limits, coverage to two standard errors."""
        error = np.sqrt(LEAST_COVERAGE * (1.0 - LEAST_COVERAGE) / draws)
        return self.coverage >= LEAST_COVERAGE - 2.0 * error and self.width <= MOST_WIDTH


def row(world: World, draws: int) -> Row:
    """Draw a world many times."""
    truth = world.truth()
    found = np.array([world.draw(np.random.default_rng((17, number))) for number in range(draws)])
    estimate, low, high, floored = found.T
    needed = 2.0 * 1.96 * estimate.std(ddof=1)
    held = (low <= truth) & (truth <= high)
    return Row(float(held.mean()), float((high - low).mean() / needed), float(floored.mean()))


# ----------------------------------------------------------------------------------------------- triplets


@dataclass(frozen=True)
class Effects:
    """What makes judgments of triplets easy or hard for one model or two.

    Attributes:
        objects: Number of objects.
        triplets: Number of triplets that are drawn of them.
        times: How often each is judged.
        levels: Level of each model.
        spreads: Standard deviation of an object's effect that models share, of one of each model alone, of a triplet's
            effect that they share, and of one alone.
        unevenness: Objects are drawn in proportion to their number to minus this.
    """

    objects: int
    triplets: int
    times: int
    levels: tuple[float, ...]
    spreads: tuple[float, float, float, float]
    unevenness: float = 0.0

    def draw(self, rng: Rng) -> Drawn:
        """The accuracy of one model, or the difference of two."""
        named = distinct_objects(rng, self.objects, (self.triplets, 3), self.unevenness)
        objects, objects_alone, triplets, triplets_alone = self.spreads
        shared = objects * rng.normal(size=self.objects)[named].sum(axis=1) + triplets * rng.normal(size=self.triplets)
        right = []
        for level in self.levels:
            effect = level + shared + objects_alone * rng.normal(size=self.objects)[named].sum(axis=1)
            effect += triplets_alone * rng.normal(size=self.triplets)
            right.append(np.repeat(effect, self.times) + rng.normal(size=self.triplets * self.times) > 0.0)
        return scored(right, np.repeat(named, self.times, axis=0))

    def truth(self) -> float:
        """What `draw` estimates."""
        objects, objects_alone, triplets, triplets_alone = self.spreads
        spread = np.sqrt(3.0 * (objects**2 + objects_alone**2) + triplets**2 + triplets_alone**2 + 1.0)
        accuracies = [float(stats.norm.cdf(level / spread)) for level in self.levels]
        return accuracies[0] if len(accuracies) == 1 else accuracies[0] - accuracies[1]


def distinct_objects(rng: Rng, objects: int, shape: tuple[int, int], unevenness: float = 0.0) -> np.ndarray:
    """Objects of judgments that name none twice."""
    weights = np.arange(1, objects + 1) ** -unevenness
    named = rng.choice(objects, shape, p=weights / weights.sum())
    while True:
        ordered = np.sort(named, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(again):
            return named
        named[again] = rng.choice(objects, (len(again), shape[1]), p=weights / weights.sum())


def scored(right: list[np.ndarray], named: np.ndarray) -> Drawn:
    """The accuracy of one model, or the difference of two, with its interval."""
    if len(right) == 1:
        return _of(score_choices(right, named))
    shared, means = SharedObjects(named), np.array([row.mean() for row in right])
    return _difference(shared, means, np.stack([mean_influences(row) for row in right]))


def _of(score: Scores) -> Drawn:
    return score.value[0], score.low[0], score.high[0], bool(score.floored)


def _difference(shared: SharedObjects, values: np.ndarray, influences: np.ndarray) -> Drawn:
    """The first of two scores minus the second, by influences of judgments on both, (2, n)."""
    found = ObjectScores(shared.sums(influences), values, shared.count, 0).contrast(np.array([1.0, -1.0]))
    return found.value, found.low, found.high, found.floored


def choices(rng: Rng, vectors: np.ndarray, named: np.ndarray) -> list[np.ndarray]:
    """Whether two models, the second with more noise, choose the pair that people do, by vectors of the objects."""
    seen = [vectors + noise * rng.normal(size=vectors.shape) for noise in (0.7, 1.0)]

    def apart(features: np.ndarray) -> np.ndarray:
        i, j, k = (features[column] for column in named.T)
        return np.stack([((a - b) ** 2).sum(axis=1) for a, b in ((i, j), (i, k), (j, k))])

    people = (apart(vectors) + rng.normal(0.0, 1.0, (3, len(named)))).argmin(axis=0)
    return [apart(features).argmin(axis=0) == people for features in seen]


def draw_choices(rng: Rng) -> Drawn:
    """The difference of two models that choose by vectors of 120 objects, from 3,000 triplets."""
    vectors = rng.normal(size=(120, 3))
    named = distinct_objects(rng, 120, (3_000, 3))
    return scored(choices(rng, vectors, named), named)


def truth_of_choices() -> float:
    """What `draw_choices` estimates, from 4,000,000 triplets of objects of their own."""
    rng, found = np.random.default_rng(1), []
    for _ in range(20):  # of 200,000 at a time
        first, second = choices(rng, rng.normal(size=(600_000, 3)), np.arange(600_000).reshape(-1, 3))
        found.append(first.mean() - second.mean())
    return float(np.mean(found))


# ------------------------------------------------------------------------------------------------- pairs


def dissimilarities(rng: Rng, pairs: np.ndarray, tails: float) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of pairs of pictures for two models, (2, pairs), and for people."""
    pictures = int(pairs.max()) + 1
    vectors = rng.normal(size=(pictures, 5))
    if tails:
        vectors /= np.sqrt(rng.chisquare(tails, (pictures, 1)) / tails)
    seen = [vectors + noise * rng.normal(size=vectors.shape) for noise in (0.0, 0.5, 0.8)]
    people, *models = (((features[pairs[:, 0]] - features[pairs[:, 1]]) ** 2).sum(axis=1) for features in seen)
    return np.stack(models), people


@dataclass(frozen=True)
class Pictures:
    """Similarity judgments of every pair of some pictures.

    Attributes:
        pictures: Number of pictures.
        metric: `spearman` or `pearson`.
        gain: Whether two models are compared, or one is scored.
        tails: Degrees of freedom of the t distribution of features; 0 where they are normal.
    """

    pictures: int
    metric: str
    gain: bool
    tails: float = 0.0

    def draw(self, rng: Rng) -> Drawn:
        """The correlation of a model's dissimilarities with people's, or the difference of two."""
        pairs = np.column_stack(np.triu_indices(self.pictures, 1))
        models, people = dissimilarities(rng, pairs, self.tails)
        influences = {"spearman": spearman_influences, "pearson": pearson_influences}[self.metric](models, people)
        values, shared = self._correlations(models, people), SharedObjects(pairs)
        if self.gain:
            return _difference(shared, values, influences)
        sums = shared.sums(influences[:1])
        return _of(correlations_with_intervals(self.metric, values[:1], sums.variance(), (shared.count, sums.kind)))

    def truth(self) -> float:
        """What `draw` estimates, from 2,000,000 pairs of pictures of their own."""
        models, people = dissimilarities(np.random.default_rng(1), np.arange(4_000_000).reshape(-1, 2), self.tails)
        values = self._correlations(models, people)
        return float(values[0] - values[1] if self.gain else values[0])

    def _correlations(self, models: np.ndarray, people: np.ndarray) -> np.ndarray:
        correlate = {"spearman": spearman, "pearson": pearson}[self.metric]
        return correlate(models, people, np.zeros(len(people), dtype=np.int64), np.ones((1, 1)))[:, 0]


# ------------------------------------------------------------------------------------------------ worlds


def _effects(name: str, effects: Effects, afterwards: bool = False, beyond: str = "") -> World:
    return World(name, effects.draw, effects.truth, afterwards, beyond)


def _pictures(name: str, pictures: Pictures, beyond: str = "") -> World:
    return World(name, pictures.draw, pictures.truth, beyond=beyond)


WORLDS = (
    _effects("accuracy, 300 objects, 300 triplets", Effects(300, 300, 1, (0.4,), (0.5, 0.0, 0.0, 0.0))),
    _effects("accuracy, 80 objects, 600 triplets x 4", Effects(80, 600, 4, (0.4,), (0.3, 0.0, 0.7, 0.0))),
    _effects("accuracy, 600 objects, 20,000 triplets", Effects(600, 20_000, 1, (0.3,), (0.3, 0.0, 0.5, 0.0))),
    _effects("difference, 80 objects, 4,000 triplets", Effects(80, 4_000, 1, (0.5, 0.3), (0.3, 0.2, 0.3, 0.3))),
    _effects(
        "difference, 200 uneven objects, 1,000 triplets x 3",
        Effects(200, 1_000, 3, (0.4, 0.3), (0.3, 0.1, 0.5, 0.2), unevenness=0.5),
        afterwards=True,
    ),
    _effects(
        "difference of triplets alone, 80 objects, 600 triplets",
        Effects(80, 600, 1, (0.4, 0.3), (0.3, 0.0, 0.5, 0.3)),
        afterwards=True,
    ),
    World("difference by drawn vectors, 120 objects, 3,000 triplets", draw_choices, truth_of_choices, afterwards=True),
    _pictures("spearman, pairs of 60 pictures", Pictures(60, "spearman", gain=False)),
    _pictures("gain of spearman, pairs of 60 pictures", Pictures(60, "spearman", gain=True)),
    _pictures(
        "gain of pearson, pairs of 60 heavy-tailed pictures", Pictures(60, "pearson", True, 8.0), beyond="too narrow"
    ),
    _effects(
        "difference of triplets alone, 25 objects, 200 triplets",
        Effects(25, 200, 1, (0.4, 0.3), (0.3, 0.0, 0.5, 0.3)),
        afterwards=True,
        beyond="too wide",
    ),
)


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", default="", help="worlds whose name has this in it")
    arguments = parser.parse_args(given)
    worlds = [world for world in WORLDS if arguments.only in world.name]
    if not worlds or arguments.draws < 2:
        parser.error(f"no world is called '{arguments.only}', or fewer than 2 draws were asked for")
    print(f"{arguments.draws} draws, coverage to {np.sqrt(0.95 * 0.05 / arguments.draws):.3f} (standard error)")
    print(f"{'':62s} coverage  width  floored")
    kept = True
    for world in worlds:
        found = row(world, arguments.draws)
        keeps = found.keeps(arguments.draws)
        said = "" if keeps else f"  {world.beyond}, as documented" if world.beyond else "  NO"
        name = f"{world.name}{' *' if world.afterwards else ''}"
        print(f"{name:62s} {found.coverage:8.3f} {found.width:6.2f} {found.floored:8.3f}{said}", flush=True)
        kept = kept and (keeps or bool(world.beyond))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
