"""NIGHTS-shaped data: the first pass, a pass over cached pixels, and one in bfloat16, against what must be done anyway.

    python benchmarks/nights.py [--model NAME] [--triplets 300] [--side 768] [--batch-size 16] [--threads 2]
                                [--rounds 1]

The data have NIGHTS' shape (triplets of 768 x 768 PNG files) and are made in a temporary folder. References, each timed
on all cores: the bare `torch.inference_mode` forward pass of as many prepared pictures, in float32 and in bfloat16
(autocast), and opening and preparing every picture with nothing else going on. The first pass fills an empty pixel
cache; the next ones read it. All are run in turn; ratios are those of the medians. What bfloat16 changes is told by the
worst layer and distance: the rank correlation of its distances with those in float32, and the share of triplets of
which it takes the other side.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from alignbench.results.judgment_table import matrix
from alignbench.results.stored_run import StoredRun
from workload import MODEL, bare_forward, decoding, has_amx, machine, median_ratio, ours, verdict, write_nights


def change(exact: Path, low: Path) -> tuple[float, float]:
    """Of two runs: the lowest rank correlation of distances, and the largest share of choices that change."""
    runs = [StoredRun(folder) for folder in (exact, low)]
    judged = matrix(runs[0].judgment_rows()["pairs"])
    first, second = (run.all_distances() for run in runs)
    worst, changed = 1.0, 0.0
    for name, values in first.items():
        for one, other in zip(values, second[name], strict=True):
            worst = min(worst, float(spearmanr(one, other).statistic))
            choices = [distances[judged].argmin(axis=1) for distances in (one, other)]
            changed = max(changed, float(np.mean(choices[0] != choices[1])))
    return worst, changed


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--triplets", type=int, default=300)
    parser.add_argument("--side", type=int, default=768)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args(given)
    model, batch, threads = arguments.model, arguments.batch_size, arguments.threads
    bare: dict[str, list[float]] = {"fp32": [], "bf16": []}
    full: dict[str, list[float]] = {"first": [], "cached": [], "bf16": []}
    decoded = []
    with tempfile.TemporaryDirectory() as folder:
        root, runs = Path(folder) / "data", Path(folder) / "runs"
        images = write_nights(root, arguments.triplets, arguments.side)
        size = np.mean([file.stat().st_size for file in root.rglob("*.png")])
        for number in range(arguments.rounds):
            cache = ["--batch-size", str(batch), "--pixel-cache", str(Path(folder) / f"pixels-{number}")]
            decoded.append(decoding(model, "nights", root, threads))
            for precision, seconds in bare.items():
                seconds.append(bare_forward(model, images, batch, threads, precision))
            first, cached = (ours(model, "nights", root, runs, *cache, threads=threads) for _ in range(2))
            low = ours(model, "nights", root, runs, *cache, "--precision", "bf16", threads=threads)
            for name, run in (("first", first), ("cached", cached), ("bf16", low)):
                full[name].append(run.extract)
            print(
                f"round {number + 1}: decoding {decoded[-1]:.1f} s, bare {bare['fp32'][-1]:.1f} s, "
                f"in bfloat16 {bare['bf16'][-1]:.1f} s; ours first {first.extract:.1f} s, "
                f"cached {cached.extract:.1f} s, in bfloat16 {low.extract:.1f} s",
                flush=True,
            )
        worst, changed = change(cached.folder, low.folder)
    print(machine())
    print(f"{images:,} images of {size / 1e6:.2f} MB, {model}, batch {batch}, {threads} threads")
    anyway = [one + other for one, other in zip(decoded, bare["fp32"], strict=True)]
    print(verdict("cached / bare forward", median_ratio(full["cached"], bare["fp32"]), at_most=1.08))
    print(verdict("first / (decoding + bare forward)", median_ratio(full["first"], anyway), at_most=1.10))
    print(verdict("bfloat16: cached / bare forward", median_ratio(full["bf16"], bare["bf16"])))
    faster = median_ratio(full["cached"], full["bf16"])
    print(verdict("bfloat16: throughput / float32's", faster, at_least=2.5 if has_amx() else None))
    print(verdict("bfloat16: lowest Spearman with float32", worst, at_least=0.999))
    print(verdict("bfloat16: largest share of choices that change", changed, at_most=0.02))


if __name__ == "__main__":
    main()
