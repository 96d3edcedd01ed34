"""How good noise ceilings, shares of them and incremental validity are, in simulated worlds whose truth is known.

    python benchmarks/ceilings.py [--draws 1000] [--only people,ratings,shares,power]

- people: triplets whose three answers have Dirichlet probabilities (concentration 1, or 0.3: people who mostly agree),
  judged 2, 4 to 5 or 16 times. Truth: what a model reaches that knows the most probable answer
- ratings: 25 references of 120 pictures with normal true ratings, whose standard errors differ. Truth: the correlation
  of the true ratings with the mean ratings
- shares: how often the 95 % interval of a model's share of the ceiling holds its true share
- power: how often the interval of what a model says beyond another lies above 0, or below, where it says nothing more
  (nominal 2.5 % each) and where it does
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
from scipy import stats

from alignbench.statistics.incremental import score_beyond
from alignbench.statistics.noise_ceiling import Choices, repeat_ceilings, score_with_ceiling
from alignbench.statistics.rating_ceiling import (
    MeanRatings,
    pearson_ceiling,
    score_rating_ceilings,
    spearman_ceiling,
)
from alignbench.statistics.scored_together import Judged

Rng = np.random.Generator
Found = dict[str, tuple[float, float, float, float]]  # by quantity: truth, estimate, and the ends of its interval
Draw = Callable[[Rng], Found]

NOTHING = (math.nan, math.nan)
FOREVER = 400_000  # triplets, or pictures, of a population
REFERENCES, PICTURES = 25, 120
FORESEEN = 0.75  # how often the model in `shares` gives the most probable answer


# ------------------------------------------------------------------------------------------------- people


def ask(
    rng: Rng, triplets: int, concentration: float, times: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of the answers to each triplet, (triplets, 3), and of each judgment its triplet and its answer."""
    p = rng.dirichlet(np.full(3, concentration), triplets)
    triplet = np.repeat(np.arange(triplets), rng.choice(times, triplets))
    answer = (rng.random(len(triplet))[:, None] > p.cumsum(axis=1)[triplet, :2]).sum(axis=1)
    return p, triplet, answer


def pairs_of(triplet: np.ndarray) -> np.ndarray:
    return 3 * triplet[:, None] + np.arange(3)


def people(triplets: int, concentration: float, times: tuple[int, ...]) -> Draw:
    def draw(rng: Rng) -> Found:
        p, triplet, answer = ask(rng, triplets, concentration, times)
        truth = float(p.max(axis=1).mean())
        ceilings = {
            name: float(a.sum() / b.sum()) for name, (a, b) in repeat_ceilings(pairs_of(triplet), answer).items()
        }
        ceilings["ceiling_mean"] = sum(ceilings.values()) / 2
        return {name: (truth, value, *NOTHING) for name, value in ceilings.items()}

    return draw


# ------------------------------------------------------------------------------------------------ ratings


def rate(rng: Rng, references: int, reliability: float) -> tuple[np.ndarray, MeanRatings]:
    """True ratings, (references x pictures,), and their means with standard errors."""
    true = rng.normal(size=references * PICTURES)
    errors = np.sqrt((1.0 - reliability) / reliability * rng.gamma(4.0, 0.25, len(true)))
    cluster = np.repeat(np.arange(references), PICTURES)
    return true, MeanRatings(true + errors * rng.normal(size=len(true)), errors, cluster)


def ranks_agree(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over references of the rank correlation within each."""
    rows = zip(first.reshape(-1, PICTURES), second.reshape(-1, PICTURES), strict=True)
    return float(np.mean([stats.spearmanr(one, other).statistic for one, other in rows]))


def ratings(reliability: float) -> Draw:
    def draw(rng: Rng) -> Found:
        true, said = rate(rng, REFERENCES, reliability)
        inside = float(np.mean([spearman_ceiling(said.of(cluster)) for cluster in range(REFERENCES)]))
        return {
            "ceiling_spearman_within": (ranks_agree(true, said.values), inside, *NOTHING),
            "ceiling_pearson": (float(np.corrcoef(true, said.values)[0, 1]), pearson_ceiling(said), *NOTHING),
        }

    return draw


# ------------------------------------------------------------------------------------------------- shares


def shares_of_choices(triplets: int, concentration: float, times: tuple[int, ...]) -> Draw:
    def answers(rng: Rng, p: np.ndarray) -> np.ndarray:
        """What a model says of each triplet: mostly the most probable answer."""
        other = (p.argmax(axis=1) + rng.integers(1, 3, len(p))) % 3
        return np.where(rng.random(len(p)) < FORESEEN, p.argmax(axis=1), other)

    rng = np.random.default_rng(1)
    everything = rng.dirichlet(np.full(3, concentration), FOREVER)
    reached = np.take_along_axis(everything, answers(rng, everything)[:, None], axis=1).mean()
    truth = float((reached - 1 / 3) / (everything.max(axis=1).mean() - 1 / 3))

    def draw(rng: Rng) -> Found:
        p, triplet, answer = ask(rng, triplets, concentration, times)
        right = answers(rng, p)[triplet] == answer
        choices = Choices(pairs_of(triplet), answer, triplet[:, None])
        scores = {score.metric: score for score in score_with_ceiling([right], choices, None, int(rng.integers(2**31)))}
        found = scores["accuracy_above_chance_of_ceiling"]
        return {found.metric: (truth, found.value[0], found.low[0], found.high[0])}

    return draw


def shares_of_ratings(reliability: float) -> Draw:
    def distances(rng: Rng, true: np.ndarray) -> np.ndarray:
        return -true + 0.8 * rng.normal(size=len(true))

    rng = np.random.default_rng(1)
    true, said = rate(rng, FOREVER // PICTURES, reliability)
    truth = ranks_agree(-distances(rng, true), said.values) / ranks_agree(true, said.values)

    def draw(rng: Rng) -> Found:
        true, said = rate(rng, REFERENCES, reliability)
        found = score_rating_ceilings(distances(rng, true)[None], said)[-1]
        return {found.metric: (truth, found.value[0], found.low[0], found.high[0])}

    return draw


# -------------------------------------------------------------------------------------------------- power


def run_of(distances: np.ndarray, kind: str) -> Judged:
    """Distances of each judgment's options, (n, options), as a run of one curve."""
    return Judged(distances.reshape(1, -1), np.arange(distances.size).reshape(distances.shape), kind, True)


def beyond_for_ratings(added: float) -> Draw:
    """Distances that follow the other's, and ratings that follow both, at levels and slopes of each reference."""

    def made(rng: Rng, references: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        cluster = np.repeat(np.arange(references), PICTURES)
        z = rng.normal(size=len(cluster)) + 0.5 * rng.normal(size=references)[cluster]
        own = rng.normal(size=len(cluster))
        slope = 1.0 + 0.3 * rng.normal(size=references)[cluster]
        human = -slope * (z + added * own) + 0.5 * rng.normal(size=references)[cluster] + rng.normal(size=len(cluster))
        return z + own, z, human, cluster[:, None]

    x, z, human, _ = made(np.random.default_rng(1), FOREVER // PICTURES)
    r = stats.spearmanr(np.stack([-x, -z, human], axis=1)).statistic
    truth = float((r[0, 2] - r[0, 1] * r[1, 2]) / math.sqrt((1 - r[0, 1] ** 2) * (1 - r[1, 2] ** 2)))

    def draw(rng: Rng) -> Found:
        x, z, human, cluster = made(rng, REFERENCES)
        [found] = score_beyond(run_of(x[:, None], "rating"), run_of(z[:, None], "rating"), human, cluster)
        return {found.metric: (truth, found.value[0], found.low[0], found.high[0])}

    return draw


def beyond_for_choices(triplets: int, times: int, options: int, added: float) -> Draw:
    """Distances that follow the other's, and choices by both, with what triplets have of their own."""

    def made(rng: Rng, triplets: int, times: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        z, own, else_ = rng.normal(size=(3, triplets, options))
        triplet = np.repeat(np.arange(triplets), times)
        utility = -(z + added * own + 0.5 * else_)[triplet]
        answer = (utility + rng.gumbel(size=utility.shape)).argmax(axis=1).astype(np.float64)
        return (z + own)[triplet], z[triplet], answer, triplet[:, None]

    x, z, human, cluster = made(np.random.default_rng(1), FOREVER // 4, 1)
    forever = score_beyond(run_of(x, "choice"), run_of(z, "choice"), human, cluster)
    truth = {score.metric: float(score.value[0]) for score in forever}

    def draw(rng: Rng) -> Found:
        x, z, human, cluster = made(rng, triplets, times)
        scores = score_beyond(run_of(x, "choice"), run_of(z, "choice"), human, cluster, int(rng.integers(2**31)))
        return {one.metric: (truth[one.metric], one.value[0], one.low[0], one.high[0]) for one in scores}

    return draw


# ------------------------------------------------------------------------------------------------- tables


def worlds(section: str) -> Iterator[tuple[str, Callable[[], Draw]]]:
    """Names of the worlds of a section, and what makes their draws."""
    responses = {"2": (2,), "4 to 5": (4, 5), "16": (16,)}
    if section == "people":
        for concentration, (name, times) in product((1.0, 0.3), responses.items()):
            yield f"Dirichlet {concentration:g}, {name} responses", partial(people, 1000, concentration, times)
    if section == "ratings":
        for reliability in (0.6, 0.8, 0.9, 0.98):
            yield f"reliability {reliability:g}", partial(ratings, reliability)
    if section == "shares":
        for triplets, (name, times) in product((80, 1000), responses.items()):
            yield f"{triplets:,} triplets, {name} responses", partial(shares_of_choices, triplets, 1.0, times)
        for reliability in (0.8, 0.98):
            yield f"25 x 120 ratings, reliability {reliability:g}", partial(shares_of_ratings, reliability)
    if section == "power":
        for added in (0.0, 0.1, 0.2):
            yield f"25 x 120 ratings, added {added:g}", partial(beyond_for_ratings, added)
        for added in (0.0, 0.1, 0.2):
            yield f"1,800 pairs of options, added {added:g}", partial(beyond_for_choices, 1800, 1, 2, added)
        for added in (0.0, 0.1, 0.2):
            yield f"250 triplets x 16, added {added:g}", partial(beyond_for_choices, 250, 16, 3, added)


def table(section: str, draws: int) -> None:
    """Print the table of a section, a row a world and quantity."""
    print(f"\n{section}, {draws:,} draws (standard error of a share near 0.95: {math.sqrt(0.0475 / draws):.3f})")
    columns = f"{'truth':>8s} {'estimate':>8s} {'bias':>8s} {'holds':>6s} {'above 0':>7s} {'below':>6s}"
    print(f"{'world':38s} {'quantity':34s} {columns}")
    for name, make in worlds(section):
        draw, found = make(), dict[str, list[tuple[float, float, float, float]]]()
        for number in range(draws):
            for quantity, values in draw(np.random.default_rng((3, number))).items():
                found.setdefault(quantity, []).append(values)
        for quantity, values in found.items():
            truth, estimate, low, high = np.array(values).T
            means = f"{truth.mean():8.4f} {estimate.mean():8.4f} {(estimate - truth).mean():+8.4f}"
            row = f"{name:38s} {quantity:34s} {means}"
            if np.isfinite(low).any():
                holds = np.mean((low <= truth) & (truth <= high))
                row += f" {holds:6.3f} {np.mean(low > 0.0):7.3f} {np.mean(high < 0.0):6.3f}"
            print(row, flush=True)


def main(arguments: list[str] | None = None) -> None:
    sections = ("people", "ratings", "shares", "power")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", default=",".join(sections))
    options = parser.parse_args(arguments)
    unknown = set(options.only.split(",")) - set(sections)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}: there are {', '.join(sections)}")
    for section in options.only.split(","):
        table(section, options.draws)


if __name__ == "__main__":
    main()
