"""The way of the paper's scripts against ours, on TID2013-shaped pairs: how many times faster, and how far apart.

    python benchmarks/paper_way.py [--model NAME] [--pairs 200] [--batch-size 16] [--threads 2] [--rounds 1]

The scripts take one pair after the other: open and prepare both pictures, embed each in a batch of its own (the
reference again for every pair), keep the hidden states of all layers, and average squared differences over tokens. At
the end every channel is brought to unit mean. That is done here in our own words, with the same random weights, from
the same files; ours, with no pixel cache, also gives two more distances. Both are run in turn; the ratio is that of
the medians.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from alignbench.results.judgment_table import matrix
from alignbench.results.stored_run import StoredRun
from workload import DISTORTIONS, LEVELS, MODEL, child, machine, median_ratio, ours, verdict, write_tid2013

SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from alignbench.models import load_tower

model, root, output, pairs = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
tower = load_tower(model, random_init=True)
clip, processor = tower.model, tower.prepare.processor
rows = [line.split() for line in (root / "mos_with_names.txt").read_text().splitlines()][:pairs]


def embed(file):
    prepared = processor(Image.open(file).convert("RGB"), return_tensors="pt")
    found = clip(**prepared, output_hidden_states=True)
    return [layer[0] for layer in found.hidden_states] + [found.image_embeds]


start = time.perf_counter()
squares = []
with torch.no_grad():
    for _, name in rows:
        reference = embed(root / "reference_images" / f"I{name[1:3]}.BMP")
        distorted = embed(root / "distorted_images" / name)
        squares.append([((a - b) ** 2).mean(dim=0).numpy() for a, b in zip(reference, distorted)])
curves = []
for layer in zip(*squares):
    differences = np.stack(layer)
    curves.append(np.sqrt((differences / differences.mean(axis=0)).mean(axis=1)))
print(time.perf_counter() - start)
np.save(output, np.stack(curves))
"""


def papers(model: str, root: Path, output: Path, pairs: int, threads: int) -> float:
    """Seconds of the paper's way; leaves its normalised distances, (layers, pairs)."""
    head = f"import sys; sys.argv = ['', {model!r}, {str(root)!r}, {str(output)!r}, {str(pairs)!r}]\n"
    return float(child(head + SCRIPT, threads))


def largest_difference(folder: Path, theirs: np.ndarray) -> float:
    """The largest difference of a normalised distance, as a share of the distance."""
    run = StoredRun(folder)
    own = run.distances(["normalized_euclidean"])[:, matrix(run.judgment_rows()["pairs"])[:, 0]]
    return float((np.abs(own - theirs) / theirs).max())


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args(given)
    model, pairs, threads = arguments.model, arguments.pairs, arguments.threads
    seconds: dict[str, list[float]] = {"theirs": [], "fp32": [], "bf16": []}
    with tempfile.TemporaryDirectory() as folder:
        root, output = Path(folder) / "data", Path(folder) / "theirs.npy"
        write_tid2013(root, -(-pairs // (DISTORTIONS * LEVELS)))
        options = ["--limit", str(pairs), "--batch-size", str(arguments.batch_size), "--pixel-cache", "off"]
        for number in range(arguments.rounds):
            seconds["theirs"].append(papers(model, root, output, pairs, threads))
            exact, low = (
                ours(model, "tid2013", root, Path(folder) / "runs", *options, "--precision", precision, threads=threads)
                for precision in ("fp32", "bf16")
            )
            seconds["fp32"].append(exact.extract)
            seconds["bf16"].append(low.extract)
            shown = ", ".join(f"{name} {found[-1]:.1f} s" for name, found in seconds.items())
            print(f"round {number + 1}: {shown}", flush=True)
        differ = largest_difference(exact.folder, np.load(output))
    print(machine())
    print(
        f"{pairs} pairs, {2 * pairs} forward passes there and {exact.record['images']} here, {model}, {threads} threads"
    )
    print(verdict("float32: times faster", median_ratio(seconds["theirs"], seconds["fp32"]), at_least=2.2))
    print(verdict("bfloat16: times faster", median_ratio(seconds["theirs"], seconds["bf16"]), at_least=6.0))
    print(f"float32: largest difference of a normalised distance {differ:.1e} of it")


if __name__ == "__main__":
    main()
