"""Two ranks on two cores against one rank on one core, TID2013-shaped data from cached pixels.

    python benchmarks/ranks.py [--model NAME] [--references 5] [--batch-size 16] [--ranks 2] [--rounds 1]

Every rank has one thread and no loader process, and a run has exactly as many cores as ranks, so that nothing but the
second core makes a difference. Both are run in turn; the ratio is that of the medians of the time of extraction.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from alignbench.results.stored_run import StoredRun
from workload import MODEL, fill_cache, machine, median_ratio, ours, verdict, write_tid2013


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args(given)
    model, cores = arguments.model, sorted(os.sched_getaffinity(0))
    if len(cores) < arguments.ranks:
        parser.error(f"--ranks {arguments.ranks}: there are {len(cores)} cores")
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "data", Path(folder) / "pixels"
        images = write_tid2013(root, arguments.references)
        fill_cache(model, "tid2013", root, cache)
        options = ["--batch-size", str(arguments.batch_size), "--pixel-cache", str(cache), "--loader-workers", "0"]
        alone, shared = [], []
        for number in range(arguments.rounds):
            for ranks, found in ((1, alone), (arguments.ranks, shared)):
                extra = [*options, "--devices", str(ranks), "--accelerator", "cpu"]
                output = Path(folder) / f"runs-{ranks}"
                found.append(ours(model, "tid2013", root, output, *extra, threads=1, cores=cores[:ranks]))
            print(
                f"round {number + 1}: one rank {alone[-1].extract:.1f} s, {arguments.ranks} ranks "
                f"{shared[-1].extract:.1f} s, ratio {alone[-1].extract / shared[-1].extract:.3f}",
                flush=True,
            )
        one, other = (StoredRun(runs[-1].folder).all_distances() for runs in (alone, shared))
        differ = max(float((np.abs(values - other[name]) / values).max()) for name, values in one.items())
    print(machine())
    print(
        f"{images:,} images, {model}, batch {arguments.batch_size}, one thread a rank, no loader process, pixels cached"
    )
    ratio = median_ratio([run.extract for run in alone], [run.extract for run in shared])
    print(verdict(f"one rank / {arguments.ranks} ranks", ratio, at_least=0.9 * arguments.ranks))
    print(f"largest difference of a distance {differ:.1e} of it")


if __name__ == "__main__":
    main()
