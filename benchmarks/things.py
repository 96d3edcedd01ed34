"""THINGS-shaped data, every object connected with every other, against the bare forward pass: time and peak memory.

    python benchmarks/things.py [--all] [--model NAME] [--objects 1854] [--rows N] [--batch-size 16] [--threads 2]
                                [--rounds 1] [--tight 1GB]

Like the noise-ceiling set, 15,640 judgments of 1,000 triplets, or with `--all` 4.70 million different triplets, which
leave no pair out. Pictures are JPEGs of 300 to 600 pixels a side, smaller than THINGS' own, made in a temporary folder,
and read from the pixel cache. The bare pass is `torch.inference_mode` over prepared random pixels of as many images;
both are run in turn, and the ratio is that of the medians. A further run with little feature memory has to give the
same distances.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from alignbench.results.stored_run import StoredRun
from workload import MODEL, bare_forward, fill_cache, machine, median_ratio, ours, verdict, write_things

DISTINCT, JUDGED, ALL = 1_000, 15_640, 4_699_160


def largest_difference(one: Path, other: Path) -> float:
    """The largest difference of any distance of two runs, as a share of the median distance of its layer."""
    first, second = (StoredRun(folder).all_distances() for folder in (one, other))
    return max(
        float((np.abs(values - second[name]).max(axis=1) / np.median(values, axis=1)).max())
        for name, values in first.items()
    )


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--objects", type=int, default=1854)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tight", default="1GB")
    arguments = parser.parse_args(given)
    model, batch, threads = arguments.model, arguments.batch_size, arguments.threads
    rows = arguments.rows or (ALL if arguments.all else JUDGED)
    subset = "all" if arguments.all else "testset1"
    with tempfile.TemporaryDirectory() as folder:
        root, cache, runs = (Path(folder) / name for name in ("data", "pixels", "runs"))
        images = write_things(root, arguments.objects, rows, None if arguments.all else min(DISTINCT, rows))
        fill_cache(model, "things", root, cache, "--subset", subset)
        options = ["--subset", subset, "--batch-size", str(batch), "--pixel-cache", str(cache)]
        bare, full = [], []
        for number in range(arguments.rounds):
            bare.append(bare_forward(model, images, batch, threads))
            full.append(ours(model, "things", root, runs, *options, threads=threads))
            ratio = full[-1].extract / bare[-1]
            print(
                f"round {number + 1}: bare {bare[-1]:.1f} s, ours {full[-1].extract:.1f} s, ratio {ratio:.3f}",
                flush=True,
            )
        tight = ours(
            model,
            "things",
            root,
            Path(folder) / "tight",
            *options,
            "--feature-memory",
            arguments.tight,
            threads=threads,
        )
        differ = largest_difference(full[-1].folder, tight.folder)
    print(machine())
    pairs, dense = full[-1].record["pairs"], full[-1].record["execution"]["matrix_products"]
    print(
        f"{images:,} images, {rows:,} triplets, {pairs:,} pairs, {'matrix products' if dense else 'pair by pair'}, "
        f"{model}, batch {batch}, {threads} threads"
    )
    ratio = median_ratio([run.extract for run in full], bare)
    print(verdict("extract / bare forward", ratio, at_most=1.8 if arguments.all else 1.10))
    print(verdict("peak GB", max(run.peak for run in full), at_most=7.0 if arguments.all else 6.0))
    print(f"scoring {full[-1].score:.2f} s")
    passes, longer = tight.record["execution"]["passes"], tight.extract / full[-1].extract
    print(
        f"with --feature-memory {arguments.tight}: passes {passes}, {longer:.2f} times as long, "
        f"peak {tight.peak:.2f} GB, largest difference of a distance {differ:.1e} of its layer's median"
    )


if __name__ == "__main__":
    main()
