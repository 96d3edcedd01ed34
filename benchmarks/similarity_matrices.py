"""How often the 95 % intervals of correlations with human similarity matrices hold the truth, and how wide they are.

    python benchmarks/similarity_matrices.py [--draws 500] [--only NAME]

In each draw pictures, subjects and their ratings are new. Every two pictures are rated by every subject: by how far
apart they lie in five dimensions, which subjects weigh differently and see with noise of their own; models see the same
pictures with noise. The truth is the mean score over draws of as many subjects and of 10,000 pairs that share no
picture. `crossed` are the intervals over pictures and subjects that `run` and `compare` give, `pictures` those over
pictures alone, and `pairs` those that take pairs as independent. Widths are mean widths over that of 2 x 1.96 true
standard deviations, which are taken from the draws.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from scipy import stats

from alignbench.statistics.rated_pairs import linear_correlations, rank_correlations, sums_of_ratings, varying

Rng = np.random.Generator
LEAST_COVERAGE = 0.93
MOST_WIDTH = 1.5  # few subjects have wide t intervals
_TRUTHS = 100  # draws of subjects from which the truth is taken


@dataclass(frozen=True)
class World:
    """Ratings of every two of some pictures, and the score of one model or the difference of two.

    Attributes:
        pictures: Number of pictures.
        subjects: Number of subjects.
        spreads: How much subjects differ: the spread of the logarithms of their weights of the dimensions, the noise in
            which each sees a picture, and the noise of each rating.
        gain: Whether two models are compared.
        metric: `spearman` or `pearson`.
    """

    pictures: int
    subjects: int
    spreads: tuple[float, float, float]
    gain: bool = False
    metric: str = "spearman"

    @property
    def name(self) -> str:
        what = f"gain of {self.metric}" if self.gain else self.metric
        return f"{what}, {self.pictures} pictures, {self.subjects} subjects {self.spreads}"

    def draw(self, rng: Rng, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances of the models, (models, n), and what each subject says, (n, subjects)."""
        seen = rng.normal(size=(int(pairs.max()) + 1, 5))
        weighing, own, noise = self.spreads

        def apart(vectors: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
            return np.sqrt((weights * (vectors[pairs[:, 0]] - vectors[pairs[:, 1]]) ** 2).sum(axis=1))

        models = [seen + off * rng.normal(size=seen.shape) for off in ((0.8, 1.0) if self.gain else (0.8,))]
        people = seen + 0.4 * rng.normal(size=seen.shape)
        said = []
        for _ in range(self.subjects):
            weights = np.exp(weighing * rng.normal(size=5))
            felt = apart(people + own * rng.normal(size=seen.shape), weights)
            said.append(felt + noise * rng.normal(size=len(pairs)))
        return np.stack([apart(model) for model in models]), -np.stack(said, axis=1)

    def truth(self) -> float:
        """What is estimated."""
        of_scipy = stats.spearmanr if self.metric == "spearman" else stats.pearsonr
        rng, pairs, found = np.random.default_rng(1), np.arange(20_000).reshape(-1, 2), []
        for _ in range(_TRUTHS):
            models, said = self.draw(rng, pairs)
            values = [of_scipy(-model, said.mean(axis=1)).statistic for model in models]
            found.append(values[0] - values[1] if self.gain else values[0])
        return float(np.mean(found))

    def intervals(self, seed: tuple[int, int], pairs: np.ndarray) -> np.ndarray:
        """The estimate, then the ends of the intervals that are crossed, over pictures, and over pairs."""
        models, said = self.draw(np.random.default_rng(seed), pairs)
        rated = (rank_correlations if self.metric == "spearman" else linear_correlations)(-models)
        human, weights = said.mean(axis=1), np.array([[1.0, -1.0]]) if self.gain else np.ones((1, 1))
        values, adds = rated(human)
        estimate = float(weights[0] @ values)
        found = [estimate]
        for among in (varying(pairs, said), varying(pairs)):
            variance = sums_of_ratings(rated, human, among)[1].combined(weights).variance()
            found += self._ends(estimate, float(variance.reach()[0]))
        alone = weights[0] @ adds
        return np.array([*found, *self._ends(estimate, 1.96 * float(np.sqrt(alone @ alone)))])

    def _ends(self, estimate: float, reach: float) -> tuple[float, float]:
        if self.gain:
            return estimate - reach, estimate + reach
        z, far = np.arctanh(estimate), reach / (1.0 - estimate**2)
        return float(np.tanh(z - far)), float(np.tanh(z + far))


_ALIKE, _NOISY, _APART = (0.5, 0.3, 0.5), (0.0, 1.0, 1.0), (1.5, 0.1, 0.2)
WORLDS = (
    World(20, 5, _ALIKE),
    World(30, 5, _ALIKE),
    World(30, 5, _NOISY),
    World(30, 3, _APART),
    World(60, 20, _ALIKE),
    World(92, 5, _APART),
    World(118, 3, _APART),
    World(118, 20, _ALIKE),
    World(60, 5, _ALIKE, metric="pearson"),
    World(30, 5, _ALIKE, gain=True),
    World(118, 5, _NOISY, gain=True),
)


def row(world: World, draws: int) -> np.ndarray:
    """Coverage and width of the three intervals, (3, 2)."""
    pairs, truth = np.column_stack(np.triu_indices(world.pictures, 1)), world.truth()
    found = np.array([world.intervals((29, number), pairs) for number in range(draws)])
    needed = 2.0 * 1.96 * found[:, 0].std(ddof=1)
    ends = found[:, 1:].reshape(draws, 3, 2)
    held = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
    return np.stack([held.mean(axis=0), (ends[..., 1] - ends[..., 0]).mean(axis=0) / needed], axis=1)


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--only", default="", help="worlds whose name has this in it")
    arguments = parser.parse_args(given)
    worlds = [world for world in WORLDS if arguments.only in world.name]
    if not worlds or arguments.draws < 2:
        parser.error(f"no world is called '{arguments.only}', or fewer than 2 draws were asked for")
    error = np.sqrt(LEAST_COVERAGE * (1.0 - LEAST_COVERAGE) / arguments.draws)
    print(f"{arguments.draws} draws, coverage to {np.sqrt(0.95 * 0.05 / arguments.draws):.3f} (standard error)")
    print(f"{'':62s}   crossed       pictures        pairs")
    kept = True
    for world in worlds:
        found = row(world, arguments.draws)
        keeps = bool(found[0, 0] >= LEAST_COVERAGE - 2.0 * error and found[0, 1] <= MOST_WIDTH)
        said = "  ".join(f"{coverage:.3f} {width:5.2f} " for coverage, width in found)
        print(f"{world.name:62s} {said}{'' if keeps else ' NO'}", flush=True)
        kept = kept and keeps
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
