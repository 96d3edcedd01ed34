"""How often `alignbench compare` calls a difference that is not there, if many questions are asked at once.

    python benchmarks/family.py [--draws 3000] [--processes 2]

A data set is drawn, of one of three kinds: 25 references with 60 ratings each (cluster jackknife t), 300 triplets
(percentile cluster bootstrap), 600 triplets of 80 objects (objects counted once t). Two models that are worth the same
are scored on it together by three distances each, whose errors go together. A family is some such data sets, each kind
as often, and asks of each whether the models differ by each distance. It is wrong if any answer is `separable`. In
families with the word `mixed` the models of every second data set truly differ; wrong is then also a difference that is
called the other way round.

Columns: questions of a family; share of families that are wrong by `compare`; the same without any correction; the same
by percentiles of 1,000 resamples at the corrected level, in place of the wider interval (of families of triplets
alone); and of true differences the share that is seen.

Then best layers and whole curves (`selection_worlds.py`), where one of several questions is of all layers of both
models: shares of draws in which that one is called, which may be at most 5 % over the number of questions.

It fails if, beyond two standard errors, a family is wrong in more than 6 % of draws.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.statistics.bands import difference_band
from alignbench.statistics.corrected import Known
from alignbench.statistics.scored_together import Judged, ScoredTogether, score_together
from alignbench.statistics.selection import best_layers
from alignbench.statistics.smallest_difference import smallest_difference
from selection_worlds import Rng, World, worlds

MOST_WRONG = 0.06
SIZES = (3, 9, 27, 63)
KINDS = ("ratings", "triplets", "objects")
DISTANCES = 3
EFFECT = 0.5  # how much better the first model is where they truly differ, in standard deviations of a latent variable
CURVES = ("clusters, 25 equal, 13 equal, 0.8", "new, skewed, 13 equal, 13 equal")
_OF = (1, 3, 9)


def ratings(rng: Rng, effect: float) -> ScoredTogether:
    """25 references x 60 ratings; noise that a model shares among its distances, and references of unlike slopes."""
    references, count = 25, 2 * DISTANCES
    reference = np.repeat(np.arange(references), 60)
    damage, level = rng.uniform(0.0, 2.0, len(reference)), rng.normal(0.0, 0.4, references)
    slope = 1.0 + 0.3 * _together(rng, references)
    noise = np.where(np.arange(count) < DISTANCES, 1.0 - effect, 1.0)[:, None] * _together(rng, len(reference))
    human = level[reference] - damage + rng.normal(0.0, 0.4, len(reference))
    distances = slope[:, reference] * damage + noise
    return _scored(distances, np.arange(len(reference))[:, None], human, reference[:, None], "rating")


def triplets(rng: Rng, effect: float) -> ScoredTogether:
    """300 triplets, each its own cluster, of two options of which the first is right."""
    return _chosen(0.4 + _together(rng, 300), effect, np.arange(300)[:, None])


def objects(rng: Rng, effect: float) -> ScoredTogether:
    """600 triplets of 80 objects, which make them harder or easier for each model."""
    members = np.argsort(rng.random((600, 80)), axis=1)[:, :3]
    own = 0.25 * _together(rng, 80)
    return _chosen(0.4 + own[:, members].sum(axis=2) + _together(rng, 600), effect, members)


def _together(rng: Rng, size: int) -> Floats:
    """Standard normal errors of both models by each distance, (6, size), correlated by 0.4, within a model by 0.8."""
    model = np.repeat(rng.standard_normal((2, size)), DISTANCES, axis=0)
    shared, alone = rng.standard_normal(size), rng.standard_normal((2 * DISTANCES, size))
    return np.asarray(np.sqrt(0.4) * shared + np.sqrt(0.4) * model + np.sqrt(0.2) * alone)


def _chosen(latent: Floats, effect: float, clusters: Indices) -> ScoredTogether:
    latent[:DISTANCES] += effect
    distances = np.stack([-latent, latent], axis=2).reshape(len(latent), -1)
    options = np.arange(distances.shape[1]).reshape(-1, 2)
    return _scored(distances, options, np.zeros(len(options)), clusters, "preference")


def _scored(distances: Floats, options: Indices, human: Floats, clusters: Indices, kind: str) -> ScoredTogether:
    runs = (Judged(each, options, kind, False) for each in (distances[:DISTANCES], distances[DISTANCES:]))
    return score_together(runs, human, clusters, 0)


def draw(kind: str, effect: float, number: int) -> Floats:
    """One data set: by distance the difference, p, and whether percentiles exclude 0 for each size, (3, 6)."""
    scored = {"ratings": ratings, "triplets": triplets, "objects": objects}[kind](
        np.random.default_rng((KINDS.index(kind), int(effect > 0.0), number)), effect
    )
    rows = []
    for index in range(DISTANCES):
        weights = np.zeros(2 * DISTANCES)
        weights[[index, DISTANCES + index]] = 1.0, -1.0
        found = scored.contrast(weights)
        error = found.smallest / smallest_difference(1.0, found.degrees)
        p = Known(found.low, found.high, found.p, error, found.degrees).p
        rows.append([found.value, p, *(_by_percentiles(scored, weights, size) for size in SIZES)])
    return np.array(rows)


def _by_percentiles(scored: ScoredTogether, weights: Floats, size: int) -> bool:
    if scored.kind != "percentile cluster bootstrap":
        return False
    tail = 0.025 / size
    low, high = np.quantile(weights @ scored.replicates(np.arange(len(weights)))[:, 1:], [tail, 1.0 - tail])
    return bool(low > 0.0 or high < 0.0)


def share_wrong(sets: Floats, effects: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """The share of families with a wrong answer.

    Args:
        sets: (families, data sets, distances, columns of `draw`).
        effects: Whether the models of each data set truly differ, (data sets,).
        called: Whether each answer is `separable`, (families, data sets, distances).
    """
    wrong = called & np.where(effects[None, :, None], sets[..., 0] < 0.0, True)
    return float(wrong.any(axis=(1, 2)).mean())


def report(name: str, kinds: Sequence[Floats], truly: Sequence[Floats]) -> list[str]:
    """Prints a line for each size of family; returns those that are wrong too often.

    Args:
        name: What the families are of.
        kinds: Draws of each kind of data set, (draws, distances, columns).
        truly: Draws of each kind in which the models differ; empty if no data sets are like that.
    """
    failing = []
    for place, size in enumerate(SIZES):
        each = size // DISTANCES
        sources = [(truly or kinds)[i % len(kinds)] if truly and i % 2 else kinds[i % len(kinds)] for i in range(each)]
        effects = np.array([bool(truly) and i % 2 == 1 for i in range(each)])
        if each < len(kinds) or (truly and not effects.any()):
            continue
        families = len(kinds[0]) // -(-each // len(kinds))
        used: dict[int, int] = {}
        found = []
        for source in sources:  # each draw is in one family of a size
            start = used.get(id(source), 0)
            used[id(source)] = start + families
            found.append(source[start : start + families])
        sets = np.stack(found, axis=1)
        called, plain = sets[..., 1] * size < 0.05, sets[..., 1] < 0.05
        wrong, count = share_wrong(sets, effects, called), len(sets)
        percentiles = share_wrong(sets, effects, sets[..., 2 + place] > 0.0) if name == "triplets" else np.nan
        seen = (called & (sets[..., 0] > 0.0))[:, effects].mean() if effects.any() else np.nan
        too_often = bool(wrong > MOST_WRONG + 2.0 * np.sqrt(MOST_WRONG * (1.0 - MOST_WRONG) / count))
        cells = [wrong, share_wrong(sets, effects, plain), percentiles, seen]
        shown = " | ".join("-" if cell != cell else f"{100.0 * cell:.1f} %" for cell in cells)
        print(f"| {name} | {size} | {shown} | {count:,}{' !' * too_often} |", flush=True)
        failing += [f"{name} {size}"] * too_often
    return failing


@cache
def _world(name: str) -> World:
    [world] = worlds(name)
    return world


def of_curves(name: str, number: int) -> tuple[float, float]:
    """Of a draw of a world with equal curves the p-value of the best layers, and the band's least."""
    world = _world(name)
    curves = world.draw(np.random.default_rng((9, number)))
    first, second = (100.0 * np.arange(1, 1 + len(each)) / len(each) for each in (world.first, world.second))
    return best_layers(curves).p, float(difference_band(curves, (first, second)).p.min())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=3_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", choices=("families", "curves"))
    options = parser.parse_args(arguments)
    failing: list[str] = []
    with ProcessPoolExecutor(options.processes) as pool:
        if options.only != "curves":

            def drawn(kind: str, effect: float) -> Floats:
                return np.stack(list(pool.map(partial(draw, kind, effect), range(options.draws), chunksize=50)))

            null = [drawn(kind, 0.0) for kind in KINDS]
            true = [drawn(kind, EFFECT) for kind in KINDS]
            print("| family | questions | wrong | uncorrected | percentiles | seen | families |")
            print("|---|--:|--:|--:|--:|--:|--:|")
            for kind, draws in zip(KINDS, null, strict=True):
                failing += report(kind, [draws], [])
            failing += report("all three", null, [])
            failing += report("all three, mixed", null, true)
        if options.only != "families":
            print(f"| curves | {' | '.join(f'best, 1 of {size} | band, 1 of {size}' for size in _OF)} |\n{'|---' * 7}|")
            for name in CURVES:
                p = np.array(list(pool.map(partial(of_curves, name), range(options.draws // 3), chunksize=25)))
                shares = [(p < 0.05 / size).mean(axis=0) for size in _OF]
                cells = [f"{100.0 * share:.2f} %" for both in shares for share in both]
                print(f"| {name} | {' | '.join(cells)} |", flush=True)
                failing += [
                    f"{name} {size}" for size, both in zip(_OF, shares, strict=True) if _too_often(both, size, p)
                ]
    return int(bool(failing))


def _too_often(shares: Floats, size: int, p: Floats) -> bool:
    most = MOST_WRONG / size
    return bool((shares > most + 2.0 * np.sqrt(most * (1.0 - most) / len(p))).any())


if __name__ == "__main__":
    sys.exit(main())
