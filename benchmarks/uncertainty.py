"""How often the 95 % intervals of uncertainty scores hold the truth, how wide they are, and whether ceilings are right.

    python benchmarks/uncertainty.py [--draws 500] [--only NAME]

In each draw triplets, participants and answers are new. Three similarities of each triplet are normal; people choose by
a softmax of them, each participant with a temperature of their own, and answer at random in a share of trials that is
their own too. The log response time grows with the entropy of a triplet, in each participant by a slope of their own,
from a level of their own and with noise. The model has the similarities with noise. The truth is the score in a world
of 20,000 triplets, in the mean over draws of as many participants. `crossed` are the intervals over triplets and
participants that `run` gives, `triplets` those over triplets alone. Widths are mean widths over that of 2 x 1.96 true
standard deviations, which are taken from the draws. `ceiling` is the mean ceiling, and `best` what a model reaches that
knows the probabilities of the mean participant.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from alignbench.statistics.choice_entropy import model_entropies
from alignbench.statistics.noise_ceiling import Answers, answers_of
from alignbench.statistics.uncertainty import Uncertainty, entropies, reliability, response_times, score_uncertainty

LEAST_COVERAGE = 0.93
MOST_WIDTH = 1.5
_MANY = 20_000  # triplets of the world from which the truth is taken
_TRUTHS = 60  # draws of participants in it
_CEILINGS = 50  # draws of which the ceiling is taken


@dataclass(frozen=True)
class World:
    """Answers to triplets.

    Attributes:
        triplets: Number of triplets, each judged by four or five participants.
        participants: Number of participants.
        spreads: How much participants differ: the spread of the logarithms of their temperatures, the mean share of
            trials in which they answer at random, and the spread of their slopes of response times.
        metric: `entropy_spearman` or `log_rt_spearman`.
        blocks: Whether triplets are judged in blocks, each by the same five participants, and not by any.
    """

    triplets: int
    participants: int
    spreads: tuple[float, float, float]
    metric: str
    blocks: bool = False

    @property
    def name(self) -> str:
        said = f"{self.metric}, {self.triplets:,} triplets, {self.participants} participants {self.spreads}"
        return f"{said}{', in blocks' if self.blocks else ''}"

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Answers, Uncertainty]:
        """Similarities as the model has them and as they are, (triplets, 3), people's answers, and what they say."""
        warmth, lapses, slopes = self.spreads
        true = rng.normal(0.0, 1.5, (self.triplets, 3))
        temperature = np.exp(warmth * rng.normal(size=self.participants))
        lapse = rng.beta(0.5, 0.5 / lapses - 0.5, self.participants)
        slope = 0.3 + slopes * rng.normal(size=self.participants)
        level = rng.normal(0.0, 0.4, self.participants)
        people = self._people(rng)
        times = rng.integers(4, 6, self.triplets)
        triplet = np.repeat(np.arange(self.triplets), times)
        who = people[triplet, np.arange(len(triplet)) - np.repeat(np.cumsum(times) - times, times)]
        chance = special.softmax(true[triplet] / temperature[who, None], axis=1)
        chance = (1.0 - lapse[who, None]) * chance + lapse[who, None] / 3.0
        chosen = (rng.random((len(triplet), 1)) > chance.cumsum(axis=1)[:, :2]).sum(axis=1)
        entropy = special.entr(special.softmax(true, axis=1)).sum(axis=1)
        logs = level[who] + slope[who] * entropy[triplet] + rng.normal(0.0, 0.4, len(triplet))
        answers = answers_of(np.arange(3 * self.triplets).reshape(-1, 3)[triplet], chosen)
        if self.metric == "entropy_spearman":
            said = entropies(answers, who)
        else:
            said = response_times(answers, who, np.exp(logs))
        return true + rng.normal(size=true.shape), true, answers, said

    def _people(self, rng: np.random.Generator) -> np.ndarray:
        """Five different participants for each triplet, (triplets, 5)."""
        groups = np.argpartition(rng.random((self.triplets, self.participants)), 4, axis=1)[:, :5]
        if not self.blocks:
            return groups
        order = rng.permutation(self.participants)
        return order[np.arange(self.triplets)[:, None] % (self.participants // 5) * 5 + np.arange(5)]

    def truth(self) -> float:
        """What is estimated."""
        large, rng, found = replace(self, triplets=_MANY), np.random.default_rng(1), []
        for _ in range(_TRUTHS):
            model, _, answers, said = large.draw(rng)
            own = model_entropies(-model, answers.counts)[said.triplets]
            found.append(stats.spearmanr(own, said.values).statistic)
        return float(np.mean(found))

    def estimate(self, rng: np.random.Generator, with_ceiling: bool) -> np.ndarray:
        """The score and the ends of its intervals, crossed and over triplets alone, the ceiling, and what is best."""
        model, true, answers, said = self.draw(rng)
        own = np.stack([model_entropies(-each, answers.counts) for each in (model, true)])
        found = score_uncertainty(own, said)
        alone = score_uncertainty(own[:1], replace(said, participant=np.arange(len(said.participant))))
        ends = [found.low[0], found.high[0], alone.low[0], alone.high[0]]
        ceiling = np.sqrt(reliability(said, 0)) if with_ceiling else np.nan
        return np.array([found.value[0], *ends, ceiling, found.value[1]])


_ALIKE, _APART = (0.2, 0.05, 0.05), (0.6, 0.2, 0.3)
_ENTROPY, _TIMES = "entropy_spearman", "log_rt_spearman"
WORLDS = (
    World(100, 10, _ALIKE, _ENTROPY),
    World(200, 10, _APART, _ENTROPY),
    World(1_000, 10, _APART, _ENTROPY),
    World(1_000, 50, _ALIKE, _ENTROPY),
    World(3_000, 100, _APART, _ENTROPY),
    World(1_000, 20, _APART, _ENTROPY, blocks=True),
    World(200, 10, _APART, _TIMES),
    World(1_000, 10, _APART, _TIMES),
    World(1_000, 50, _ALIKE, _TIMES),
    World(3_000, 100, _APART, _TIMES),
    World(1_000, 20, _APART, _TIMES, blocks=True),
)


def row(world: World, draws: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Coverage and width of both intervals, (2, 2); the mean ceiling, and what is best."""
    truth = world.truth()
    found = np.array(
        [world.estimate(np.random.default_rng((17, number)), number < _CEILINGS) for number in range(draws)]
    )
    needed = 2.0 * 1.96 * found[:, 0].std(ddof=1)
    ends = found[:, 1:5].reshape(draws, 2, 2)
    held = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
    known = np.stack([held.mean(axis=0), (ends[..., 1] - ends[..., 0]).mean(axis=0) / needed], axis=1)
    return known, (float(np.nanmean(found[:, 5])), float(found[:, 6].mean()))


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
    print(f"{'':79s}   crossed       triplets     ceiling, best")
    kept = True
    for world in worlds:
        found, (ceiling, best) = row(world, arguments.draws)
        keeps = bool(found[0, 0] >= LEAST_COVERAGE - 2.0 * error and found[0, 1] <= MOST_WIDTH)
        said = "  ".join(f"{coverage:.3f} {width:5.2f} " for coverage, width in found)
        print(f"{world.name:79s} {said} {ceiling:.3f} {best:.3f}{'' if keeps else ' NO'}", flush=True)
        kept = kept and keeps
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
