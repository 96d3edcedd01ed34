"""How often the highest of many equal layers is called separable from a fixed score that is equal too.

    python benchmarks/highest.py [--draws 300]

Judgments are simulated as choices with correlated difficulty; every layer and the baseline are right with probability
0.6, so that each call is a mistake. Beside the simultaneous bounds of `statistics.max_t` stands what choosing
the layer anew in each resample would call.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import norm

from alignbench.statistics.bootstrap import interval, p_value
from alignbench.statistics.max_t import highest
from alignbench.statistics.scores import Resampled

WORLDS = ((1_824, 13, 0.8), (1_824, 13, 0.97), (1_824, 25, 0.8))  # judgments, layers, correlation between layers


def mistakes(judgments: int, layers: int, correlation: float, draws: int) -> tuple[float, float]:
    """Shares of draws in which something is called: by simultaneous bounds, and by choosing anew."""
    rng = np.random.default_rng(0)
    found = np.zeros(2)
    for _ in range(draws):
        shared = np.sqrt(correlation) * rng.normal(size=judgments)
        difficulty = shared + np.sqrt(1.0 - correlation) * rng.normal(size=(layers + 1, judgments))
        correct = (difficulty < norm.ppf(0.6)).astype(np.float64)
        resampled = Resampled(np.arange(judgments)[:, None], 0)
        scores = resampled.replicates(resampled.mean(correct))
        above = scores[:layers] - scores[layers]
        bounded, chosen = highest(above, resampled.kind), above.max(axis=0)
        low, _ = interval(chosen[:1], chosen[None, 1:], resampled.kind)
        found += [
            bounded.low > 0.0 and bounded.p < 0.05,
            low[0] > 0.0 and p_value(float(chosen[0]), chosen[1:], resampled.kind) < 0.05,
        ]
    simultaneous, anew = found / draws
    return float(simultaneous), float(anew)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=300)
    arguments = parser.parse_args()
    for world in WORLDS:
        simultaneous, anew = mistakes(*world, arguments.draws)
        print(f"{world[0]:,} judgments, {world[1]} layers, correlation {world[2]}, {arguments.draws} draws:", end=" ")
        print(f"simultaneous {100 * simultaneous:.1f} %, chosen anew {100 * anew:.1f} %", flush=True)


if __name__ == "__main__":
    main()
