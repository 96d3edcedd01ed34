"""How often the highest of many equal layers is called above, or below, another curve's highest that is equal too.

    python benchmarks/highest.py [--draws 300]

Scores are means over clusters, of layers that err together; all are truly equal, so that each call is a mistake. Beside
the simultaneous bounds by which findings are judged stands what choosing the layer anew in each resample would call.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from alignbench.statistics.bootstrap import cluster_weights, interval
from alignbench.study.contrasts import best_difference
from alignbench.study.evidence import Expectation, judge
from alignbench.study.levels import LevelPanel


class World(NamedTuple):
    """Clusters, layers of the two curves, and the correlation between layers."""

    clusters: int
    layers: int
    others: int
    correlation: float


WORLDS = (
    World(1_824, 13, 1, 0.8),
    World(1_824, 25, 1, 0.8),
    World(1_824, 25, 13, 0.95),
    World(25, 13, 1, 0.8),
    World(25, 13, 13, 0.6),
    World(25, 25, 13, 0.95),
)


def mistakes(world: World, draws: int) -> tuple[float, float]:
    """Shares of draws in which something is called: by simultaneous bounds, and by choosing anew."""
    rng = np.random.default_rng(0)
    weights, kind = cluster_weights(world.clusters, 0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    found = np.zeros(2)
    for _ in range(draws):
        shared = np.sqrt(world.correlation) * rng.normal(size=world.clusters)
        own = rng.normal(size=(world.layers + world.others, world.clusters))
        scores = (shared + np.sqrt(1.0 - world.correlation) * own) @ weights.T
        one, other = scores[: world.layers], scores[world.layers :]
        panel = LevelPanel("simulated", "paper", "people", 0.0, kind, {}, {})
        [row] = judge([Expectation({}, *best_difference(panel, one, other))], ()).evidence.to_dict("records")
        chosen = one.max(axis=0) - other.max(axis=0)
        low, high = interval(chosen[:1], chosen[None, 1:], kind)
        found += [row["separable"] or row["contradicted"], low[0] > 0.0 or high[0] < 0.0]
    simultaneous, anew = found / draws
    return float(simultaneous), float(anew)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=300)
    arguments = parser.parse_args()
    for world in WORLDS:
        simultaneous, anew = mistakes(world, arguments.draws)
        print(f"{world.clusters:,} clusters, {world.layers} layers and {world.others},", end=" ")
        print(f"correlation {world.correlation}, {arguments.draws} draws:", end=" ")
        print(f"simultaneous {100 * simultaneous:.1f} %, chosen anew {100 * anew:.1f} %", flush=True)


if __name__ == "__main__":
    main()
