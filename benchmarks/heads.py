"""Decomposition of ViT-B/32 over a folder of pictures, all heads of all layers, against the bare forward pass.

    python benchmarks/heads.py [--model NAME] [--images 256] [--batch-size 16] [--threads 2] [--rounds 3]

Weights are random, pictures are JPEGs of 256 x 256 of noise. Both passes read and prepare the same pictures by the same
loader, in turn in one process: the bare one runs the tower and keeps nothing, the other leaves a whole store in fp32.
The ratio is that of the medians. The first round warms up and does not count. Seconds of the processor are told too: on
a machine with other work they say more than those of the clock.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import FileImages
from alignbench.extraction.features import Reading, ReadyTower
from alignbench.extraction.loader import Loading, OrderedImages, ordered_loader, stack
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.store_job import StoreJob
from alignbench.models.families import load_tower
from workload import machine, median_ratio, verdict

AT_MOST = 1.25


def write_pictures(root: Path, count: int) -> FileImages:
    """So many pictures of noise, all of them different."""
    generator = np.random.default_rng(0)
    root.mkdir()
    for number in range(count):
        pixels = generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number:06d}.jpg")
    return image_folder(root)


def seconds() -> NDArray[np.float64]:
    """Seconds of the clock, and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def bare_forward(ready: ReadyTower, images: FileImages) -> NDArray[np.float64]:
    """Seconds to read all pictures and to run the tower on them."""
    start = seconds()
    pictures = OrderedImages(images, np.arange(len(images.names)), ready.tower.prepare)
    loading = Loading(ready.reading.batch_size, ready.reading.workers)
    with torch.inference_mode():
        for pixels, _ in ordered_loader(pictures, stack, loading):
            ready.tower(pixels)
    return seconds() - start


def stored(ready: ReadyTower, images: FileImages, output: Path) -> NDArray[np.float64]:
    """Seconds to leave a store of all heads of all layers."""
    start = seconds()
    store, _ = store_contributions(StoreJob("all", "fp32", output), ready, images)
    taken = seconds() - start
    print(f"largest error of a sum {store.record['closure']['largest']:.1e}")
    shutil.rmtree(store.folder)
    return taken


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="openai/clip-vit-base-patch32")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    reading = Reading("all", batch_size=arguments.batch_size, workers=0)
    ready = ReadyTower(load_tower(arguments.model, random_init=True), arguments.model, reading)
    print(machine())
    print(f"{arguments.images:,} images, {arguments.model}, batch {reading.batch_size}, {arguments.threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        images = write_pictures(Path(folder) / "pictures", arguments.images)
        bare, whole = [], []
        for number in range(arguments.rounds + 1):
            bare.append(bare_forward(ready, images))
            whole.append(stored(ready, images, Path(folder) / "heads"))
            clock, processor = whole[-1] / bare[-1]
            told = f"bare {bare[-1][0]:.2f} s, stored {whole[-1][0]:.2f} s, ratio {clock:.3f}"
            print(f"round {number}: {told} (processor {processor:.3f})", flush=True)
    clock, processor = (
        median_ratio([row[each] for row in whole[1:]], [row[each] for row in bare[1:]]) for each in (0, 1)
    )
    print(verdict("decomposition / bare forward", clock, at_most=AT_MOST))
    print(verdict("processor: decomposition / bare forward", processor, at_most=AT_MOST))


if __name__ == "__main__":
    main()
