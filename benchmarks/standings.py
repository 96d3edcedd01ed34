"""How often the report's answer calls the highest of equally good models separable from another.

    python benchmarks/standings.py [--draws 1000]

Models are scored on three independent data sets, as those of the paper have clusters, and all are truly equal, so that
each call is a mistake, on whichever data set. Beside the bounds that hold together stand plain intervals of each pair.
"""

from __future__ import annotations

import argparse
from itertools import combinations

import numpy as np

from alignbench.arrays import Floats
from alignbench.statistics.bootstrap import cluster_weights, interval
from alignbench.statistics.simultaneous import simultaneous_bounds

CLUSTERS = (25, 1_824, 978)  # references of TID2013, test triplets of NIGHTS, triplets of THINGS
CORRELATION = 0.8  # between what two models make of one cluster


def mistakes(models: int, draws: int) -> tuple[float, float]:
    """Shares of draws with a call: by bounds that hold together, and by plain intervals."""
    rng = np.random.default_rng(models)
    pairs = list(combinations(range(models), 2))
    weights = [cluster_weights(count, 0) for count in CLUSTERS]
    found = np.zeros(2)
    for _ in range(draws):
        samples, plain = [], False
        of_highest = []
        for count, (replicates, kind) in zip(CLUSTERS, weights, strict=True):
            own = np.sqrt(1.0 - CORRELATION) * rng.normal(size=(models, count))
            scores = (np.sqrt(CORRELATION) * rng.normal(size=count) + own) @ (
                replicates / replicates.sum(axis=1, keepdims=True)
            ).T
            contrasts = np.array([scores[one] - scores[other] for one, other in pairs])
            highest = np.array([int(np.argmax(scores[:, 0])) in pair for pair in pairs])
            low, high = interval(contrasts[:, 0], contrasts[:, 1:], kind)
            plain |= _called(low[highest], high[highest])
            samples.append((contrasts, kind))
            of_highest.append(highest)
        bounds = simultaneous_bounds(samples)
        together = any(
            _called(each.low[highest], each.high[highest]) for each, highest in zip(bounds, of_highest, strict=True)
        )
        found += [together, plain]
    return float(found[0] / draws), float(found[1] / draws)


def _called(low: Floats, high: Floats) -> bool:
    return bool(((low > 0.0) | (high < 0.0)).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args()
    for models in (2, 7, 20):
        together, plain = mistakes(models, given.draws)
        print(
            f"{models} models, {given.draws} draws: {100 * together:.1f} % together, {100 * plain:.1f} % plain",
            flush=True,
        )


if __name__ == "__main__":
    main()
