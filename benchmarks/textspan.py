"""TEXTSPAN of all heads of a model, against one head at a time in NumPy as the algorithm is written down.

    python benchmarks/textspan.py [--heads 48] [--images 2000] [--texts 3500] [--width 512] [--resamples 0]

Contributions are random, float32, of rank 67 beside their mean, as those of a head of 64 channels are. The plain
algorithm multiplies every image with every text for every pick; it runs on `--plain-heads` heads, between which ours
runs on its share of the heads, and the ratio is that of the seconds a head. Picks must be equal. With `--resamples` the
stability of the picks of all heads is timed as well.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from alignbench.extraction.host import usable_cores
from alignbench.interpret.pick_stability import image_draws, stability_of_heads
from alignbench.interpret.text_span import textspan_heads
from workload import machine, verdict

AT_LEAST = 20.0
MINUTES_AT_MOST = 10.0
RANK = 67
Array = NDArray[Any]


def head(images: int, width: int, seed: int) -> Array:
    """Contributions of a head, (images, width)."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(images, RANK)) * np.geomspace(1, 0.02, RANK)
    return (own @ rng.normal(size=(RANK, width)) + 3 * rng.normal(size=width)).astype(np.float32)


def plain(x: Array, t: Array, picks: int, rank: int) -> list[int]:
    """The algorithm as it is written down, in float64."""
    x = x.astype(np.float64)
    vectors = np.linalg.svd(x, full_matrices=False)[2][:rank]
    t = t @ vectors.T @ vectors
    x = x - x.mean(axis=0)
    found = []
    for _ in range(picks):
        star = int((x @ t.T).std(axis=0).argmax())
        along = t[star] / np.linalg.norm(t[star])
        found.append(star)
        x = x - np.outer(x @ along, along)
        t = t - np.outer(t @ along, along)
    return found


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("heads", 48), ("images", 2000), ("texts", 3500), ("width", 512), ("picks", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rank", type=int, default=80)
    parser.add_argument("--plain-heads", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--resamples", type=int, default=0)
    arguments = parser.parse_args(given)
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(arguments.texts, arguments.width))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    heads = [head(arguments.images, arguments.width, seed) for seed in range(1, arguments.heads + 1)]
    print(machine())
    print(f"{arguments.heads} heads, {arguments.images:,} images, {arguments.texts:,} texts, {arguments.width} numbers")
    ours, theirs, spans = 0.0, 0.0, []
    with threadpool_limits(arguments.threads):
        for share in np.array_split(np.arange(arguments.heads), arguments.plain_heads):
            start = time.perf_counter()
            spans += list(textspan_heads([heads[one] for one in share], texts, arguments.picks, arguments.rank))
            middle = time.perf_counter()
            expected = plain(heads[share[0]], texts, arguments.picks, arguments.rank)
            ours, theirs = ours + middle - start, theirs + time.perf_counter() - middle
            assert spans[share[0]].indices.tolist() == expected, "other picks"
    ours, theirs = ours / arguments.heads, theirs / arguments.plain_heads
    print(f"a head: ours {ours:.3f} s, plain {theirs:.2f} s; picks equal on {arguments.plain_heads} heads")
    print(verdict("plain / ours", theirs / ours, at_least=AT_LEAST))
    if arguments.resamples:
        start = time.perf_counter()
        draws = image_draws(arguments.images, arguments.resamples)
        for _ in stability_of_heads(zip(heads, spans, strict=True), texts, draws, arguments.threads):
            pass
        minutes = (time.perf_counter() - start) / 60
        print(verdict(f"{arguments.resamples} resamples of all heads, minutes", minutes, at_most=MINUTES_AT_MOST))


if __name__ == "__main__":
    main()
