"""How long k-means takes beside scikit-learn's Lloyd from the same start, and whether both find the same.

    python benchmarks/kmeans.py [--points 100000] [--width 256] [--clusters 100] [--iterations 300] [--rounds 3]

Both go on until no point changes its cluster, in turns, on two threads. It prints the seconds of each round, the ratio
of the least, how far the centroids lie apart and how many points have another cluster. scikit-learn computes in
float32.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from alignbench.alignet.k_means import KMeansOptions, kmeans


def clustered(points: int, width: int, clusters: int) -> np.ndarray:
    """Points around centres that overlap, as features of pictures do."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((clusters, width), dtype=np.float32)
    return centres[rng.integers(0, clusters, points)] + 2 * rng.standard_normal((points, width), dtype=np.float32)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("points", 100_000), ("width", 256), ("clusters", 100), ("iterations", 300), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(2)
    points = clustered(options.points, options.width, options.clusters)
    start = points[:: len(points) // options.clusters][: options.clusters].copy()
    theirs = KMeans(options.clusters, init=start, n_init=1, max_iter=options.iterations, tol=0, algorithm="lloyd")
    least = {"theirs": np.inf, "ours": np.inf}
    for number in range(options.rounds):
        began, used = time.perf_counter(), time.process_time()
        with threadpool_limits(2):
            theirs.fit(points)
        middle, between = time.perf_counter(), time.process_time()
        ours = kmeans(points, options.clusters, KMeansOptions(iterations=options.iterations, tolerance=0), start)
        end, ended = time.perf_counter(), time.process_time()
        seconds = {"theirs": middle - began, "ours": end - middle}
        least = {name: min(least[name], seconds[name]) for name in least}
        print(
            f"round {number}: scikit-learn {seconds['theirs']:.2f} s ({between - used:.2f} of processors), "
            f"ours {seconds['ours']:.2f} s ({ended - between:.2f} of processors)"
        )
    apart = float(np.abs(ours.centroids - theirs.cluster_centers_).max())
    other = int((ours.assignments != theirs.labels_).sum())
    print(f"ratio {least['ours'] / least['theirs']:.2f}; centroids {apart:.1e} apart, {other} other assignments")
    began = time.perf_counter()
    kmeans(points, options.clusters, KMeansOptions(iterations=1))
    print(f"with the start, greedy k-means++, and one iteration: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
