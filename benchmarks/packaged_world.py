"""What `shapes-clip` learned: its projection beside its random-weight twins', on the three packaged levels.

    python benchmarks/packaged_world.py [--seeds 3]

Prints, for the normalised Euclidean distance, the scores with their intervals, and the paired difference to each twin.
"""

from __future__ import annotations

import argparse

import numpy as np

from alignbench.measurement.cell import Cell
from alignbench.measurement.pipeline import measure_cell
from alignbench.results.run_folder import Run
from alignbench.statistics.agreement import correct_choices
from paired_scores import Difference, compare_choices, compare_ratings

DISTANCE = "normalized_euclidean"


def projection(model: str, level: str, seed: int = 0) -> Run:
    cell = Cell(model=model, dataset=f"shapes-{level}", distances=(DISTANCE,), batch_size=64, seed=seed)
    run = measure_cell(cell)
    assert run is not None
    return run


def difference(first: Run, second: Run) -> Difference:
    """Paired difference at the projection."""
    judgments = first.judgments
    subset = judgments.subsets[0]
    judged, human = judgments.judged[subset.rows], judgments.human[subset.rows]
    rows = np.stack([run.distances[DISTANCE][-1] for run in (first, second)])
    if judgments.kind == "rating":
        return compare_ratings(rows[0][judged[:, 0]], rows[1][judged[:, 0]], human, subset.clusters[:, 0])
    correct = correct_choices(rows, judged, human.astype(np.int64))
    return compare_choices(correct[0], correct[1], subset.clusters[:, 0])


def describe(run: Run) -> str:
    rows = run.curve.primary()
    last = rows[rows["layer"] == "projection"].iloc[0]
    best = run.curve.best(DISTANCE)
    return (
        f"projection {last['value']:.3f} ({last['ci_low']:.3f} .. {last['ci_high']:.3f}), "
        f"best block {best['layer']} {best['value']:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shapes-clip")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for level in ("low", "middle", "high"):
        trained = projection(arguments.model, level)
        print(f"shapes-{level}: {arguments.model} {describe(trained)}", flush=True)
        for seed in range(arguments.seeds):
            twin = projection(f"random:{arguments.model}", level, seed)
            found = difference(trained, twin)
            ends = f"({found.low:+.3f} .. {found.high:+.3f})"
            print(f"  twin {seed}: {describe(twin)}; difference {found.value:+.3f} {ends}", flush=True)


if __name__ == "__main__":
    main()
