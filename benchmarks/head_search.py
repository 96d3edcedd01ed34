"""How long an answer of the head browser takes: neighbours in large and small stores, a topic map, and the start.

    python benchmarks/head_search.py [--pictures 50000] [--heads 8] [--width 768] [--rounds 5]

Stores are of random numbers in fp32, made in a temporary folder of 1.3 GB. A property's heads are asked for the
neighbours of a picture in the large store, whose file is mapped; the small one, of 2,000 pictures and 48 heads of 512
numbers, by each head. The first time, numbers are checked and lengths worked out; the median is of the times after.
The map is of ViT-B/16 with random weights, loaded before; a pass of the model alone is timed beside it. The start is a
process of its own that imports what is needed, opens the small store and reads the folders that lie beside it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from alignbench.interpret.anatomy import find_anatomy
from alignbench.interpret.decomposition import decomposer
from alignbench.interpret.searching.analysis import SearchJob, analyse
from alignbench.interpret.searching.asked import PreparedPicture, StoredPicture, decomposed
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.store import HeadStore, StoreShape, write_record
from alignbench.models.families import load_tower
from alignbench.results.run_folder import run_hash
from workload import machine, verdict

PROPERTY_AT_MOST, CLICK_AT_MOST, MAP_AT_MOST, START_AT_MOST = 1.0, 0.3, 0.5, 3.0  # seconds
SETTINGS = {"model": "random", "model_fingerprint": "0", "images": "0"}
STARTED = """
from alignbench.interpret.browser.head_grid import HeadGrid
from alignbench.interpret.store import HeadStore
HeadGrid.read(HeadStore.open({folder!r}))
"""


def random_store(
    folder: Path, shape: StoreShape, settings: Mapping[str, str] = SETTINGS, names: Sequence[str] | None = None
) -> HeadStore:
    """A store of random numbers, of pictures `0.png` and so on unless their names are given."""
    folder.mkdir(parents=True)
    generator, shape = torch.Generator().manual_seed(0), replace(shape, origin=run_hash(settings))
    for shard in shape.shards(folder):
        shard.create()
    for layer in shape.layers:
        with shape.layer_shard(folder, layer).mapped() as tensors:
            for tensor in tensors.values():
                tensor.normal_(generator=generator)
    names = names or [f"{number}.png" for number in range(shape.pictures)]
    write_record(folder, shape, names, {"settings": settings, "closure": {"largest": 0.0}})
    return HeadStore.open(folder)


def timed(work: Callable[[int], object], rounds: int) -> tuple[float, float]:
    """Seconds of the first time, and the median of those after it."""
    seconds = []
    for number in range(rounds + 1):
        start = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - start)
    return seconds[0], statistics.median(seconds[1:])


def ask(store: HeadStore, analysis: str, measure: str) -> Callable[[int], object]:
    """Asks for the neighbours of one picture after another."""
    job = SearchJob(analysis, measure=measure)
    return lambda number: analyse(store, job, StoredPicture(store.names[number], number))


def ask_map(model: str) -> tuple[Callable[[int], object], Callable[[int], object]]:
    """Asks where all heads say a text, of one picture after another; and runs the model alone on the same pictures."""
    tower, rng = load_tower(model, random_init=True), np.random.default_rng(0)
    ready, parts = decomposer(tower), find_anatomy(tower)
    layers = tuple(range(1, parts.layers + 1))
    shape = StoreShape(1, parts.layers, layers, parts.heads, parts.width, "fp32")
    store = HeadStore(Path(), ("0.png",), shape, {})  # of which a map needs its shape alone
    text = rng.normal(size=parts.width)
    job, texts = SearchJob("topic", texts=("a text",)), [text / np.linalg.norm(text)]
    pictures = [Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)) for _ in range(2)]

    def work(number: int) -> object:
        pixels = tower.prepare(pictures[number % 2]).numpy()
        return analyse(store, job, decomposed(tower, PreparedPicture("it.png", "", pixels), ready), texts)

    def forward(number: int) -> object:
        with torch.inference_mode():
            return tower(tower.prepare(pictures[number % 2])[None])

    return work, forward


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--small", type=int, default=2_000, help="pictures of the small store")
    parser.add_argument("--model", default="openai/clip-vit-base-patch16")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(given)
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        large_shape = StoreShape(arguments.pictures, 1, (1,), arguments.heads, arguments.width, "fp32")
        large = random_store(Path(place) / "large" / "random__heads__0", large_shape)
        small_shape = StoreShape(arguments.small, 12, (9, 10, 11, 12), 12, 512, "fp32")
        small = random_store(Path(place) / "small" / "random__heads__0", small_shape)
        for store, analysis, most in ((large, "property", PROPERTY_AT_MOST), (small, "picture", CLICK_AT_MOST)):
            about = f"{len(store.layers) * store.heads} heads of {store.width}, {len(store.names):,} pictures"
            for measure in MEASURES:
                first, later = timed(ask(HeadStore.open(store.folder), analysis, measure), arguments.rounds)
                told = verdict(f"{analysis}, {measure}, {about}: seconds", later, at_most=most)
                print(f"{told}, the first time {first:.3f}", flush=True)
        code = STARTED.format(folder=str(small.folder))
        first, later = timed(lambda _: subprocess.run([sys.executable, "-c", code], check=True), arguments.rounds)
        print(verdict("start, with imports: seconds", later, at_most=START_AT_MOST))
    (_, later), (_, bare) = (timed(work, arguments.rounds) for work in ask_map(arguments.model))
    told = verdict(f"topic map of {arguments.model}: seconds", later, at_most=MAP_AT_MOST)
    print(f"{told}, of which a pass of the model takes {bare:.3f}")


if __name__ == "__main__":
    main()
