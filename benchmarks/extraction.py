"""TID2013-shaped data, from cached pixels, against the bare forward pass, in one run: time ratio and peak memory.

    python benchmarks/extraction.py [--model NAME] [--references 25] [--batch-size 16] [--threads 2] [--rounds 1]
                                    [--precision fp32] [--uncached]

The data have TID2013's shape (references x 24 distortions x 5 levels, 512 x 384 BMP files) and are made in a temporary
folder. The bare pass is `torch.inference_mode` over prepared random pixels of as many distinct images; ours starts from
the files (with `--uncached`), or from their prepared pixels, and ends with all three distances at all layers. Both are
run in turn; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from workload import MODEL, bare_forward, fill_cache, machine, median_ratio, ours, verdict, write_tid2013


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--references", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--uncached", action="store_true")
    arguments = parser.parse_args(given)
    model, batch, threads = arguments.model, arguments.batch_size, arguments.threads
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "data", Path(folder) / "pixels"
        images = write_tid2013(root, arguments.references)
        options = ["--batch-size", str(batch), "--precision", arguments.precision]
        options += ["--pixel-cache", "off" if arguments.uncached else str(cache)]
        if not arguments.uncached:
            fill_cache(model, "tid2013", root, cache)
        bare, full = [], []
        for number in range(arguments.rounds):
            bare.append(bare_forward(model, images, batch, threads, arguments.precision))
            full.append(ours(model, "tid2013", root, Path(folder) / "runs", *options, threads=threads))
            ratio = full[-1].extract / bare[-1]
            print(
                f"round {number + 1}: bare {bare[-1]:.1f} s, ours {full[-1].extract:.1f} s, ratio {ratio:.3f}",
                flush=True,
            )
    print(machine())
    print(
        f"{images:,} images, {model}, batch {batch}, {threads} threads, {arguments.precision}, "
        f"{'from the files' if arguments.uncached else 'pixels cached'}"
    )
    ratio = median_ratio([run.extract for run in full], bare)
    print(verdict("extract / bare forward", ratio, at_most=None if arguments.uncached else 1.08))
    print(verdict("peak GB", max(run.peak for run in full), at_most=2.5))
    print(f"scoring {full[-1].score:.2f} s")


if __name__ == "__main__":
    main()
