"""Throughput on a GPU from cached pixels against the bare compiled forward pass, and the time of a dense data set.

    python benchmarks/gpu.py [--models NAME,...] [--triplets 8000] [--batch-size 256] [--precision bf16] [--eager]
                             [--feature-memory 32GB] [--rows 1000000] [--accelerator cuda]

Prints a table in Markdown that names the device; without a GPU it says so and ends. Random weights throughout.

Throughput: small PNG triplets of NIGHTS' layout, whose pixels are cached beforehand. The images after the first quarter
of the batches, over the seconds that these take, so that compiling and starting loader processes are no part of it; the
rest of the time of extraction is `start`. Larger models get fewer triplets. Beside it stands `torch.compile` of the
same tower on one batch that stays on the device, again and again.

Dense: 1,854 pictures and so many random triplets that distances come from matrix products, in seconds of extraction,
compiling left out. `--accelerator cpu --eager` tries the script where there is no GPU.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from alignbench.cli.options import parse_bytes
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.cost import tower_cost
from alignbench.models.families import load_tower, skeleton
from alignbench.results.run_folder import Run
from workload import fill_cache, machine, write_nights, write_things

CLIP = "openai/clip-vit-"
MODELS = {"base-patch32": 1.0, "base-patch16": 0.5, "large-patch14": 0.2, "large-patch14-336": 0.1}  # share of triplets
LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}
SECONDS = 3.0  # of bare forward passes


def device_name(accelerator: str) -> str:
    return torch.cuda.get_device_name() if accelerator == "cuda" else machine()


def synchronise(accelerator: str) -> None:
    if accelerator == "cuda":
        torch.cuda.synchronize()


def bare_rate(model: str, given: argparse.Namespace) -> tuple[float, float]:
    """Images a second of the tower alone, and TFLOP of one image."""
    tower = load_tower(model, random_init=True).to(given.accelerator)
    cost = tower_cost(skeleton(model))
    pixels = torch.randint(0, 256, (given.batch_size, 3, cost.side, cost.side), dtype=torch.uint8)
    pixels = pixels.to(given.accelerator)
    forward = tower if given.eager else torch.compile(tower, dynamic=False)
    low = LOW.get(given.precision)
    with torch.inference_mode(), torch.autocast(given.accelerator, low, enabled=low is not None):
        for _ in range(3):
            forward(pixels)
        synchronise(given.accelerator)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            for _ in range(4):
                forward(pixels)
            synchronise(given.accelerator)
            done += 4 * given.batch_size
        return done / (time.perf_counter() - start), cost.flops / 1e12


class Watch(ProgressListener):
    """Notes when which images went through."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []

    def advanced(self, images: int) -> None:
        self.marks.append((time.perf_counter(), images))

    def rate(self) -> float:
        """Images a second after the first quarter of the batches; before the last mark the device has finished."""
        start, *rest = self.marks[(len(self.marks) - 1) // 4 :]
        return sum(images for _, images in rest) / (rest[-1][0] - start[0])


def measured(
    model: str, dataset: str, root: Path, cache: Path, given: argparse.Namespace, watch: Watch, **options: Any
) -> Run:
    cell = Cell(
        model=model,
        dataset=dataset,
        data_root=root,
        random_init=True,
        accelerator=given.accelerator,
        precision=given.precision,
        batch_size=given.batch_size,
        feature_memory=parse_bytes(given.feature_memory),
        pixel_cache=cache,
        **options,
    )
    run = measure_cell(cell, watch)
    assert run is not None
    gc.collect()
    return run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(CLIP + name for name in MODELS))
    parser.add_argument("--triplets", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--feature-memory", default="32GB")
    parser.add_argument("--objects", type=int, default=1854)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--accelerator", default="cuda", choices=["cuda", "cpu"])
    given = parser.parse_args(arguments)
    if given.accelerator == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing to measure (--accelerator cpu --eager tries the script)")
        return
    warnings.simplefilter("ignore")
    models = given.models.split(",")
    with tempfile.TemporaryDirectory() as folder:
        root, things, cache = (Path(folder) / name for name in ("nights", "things", "pixels"))
        write_nights(root, given.triplets, 64)
        fill_cache(given.models, "nights", root, cache)
        write_things(things, given.objects, given.rows, None)
        fill_cache(given.models, "things", things, cache, "--subset", "all")
        how = "eager" if given.eager else "compiled"
        print(f"{device_name(given.accelerator)}, batch {given.batch_size}, {given.precision}, {how}, pixels cached")
        print("\n| model | bare images/s | TFLOP/s | ours images/s | share (at least 0.90) | start, s |")
        print("|---|---|---|---|---|---|")
        rates = {}
        for model in models:
            rates[model], tera = bare_rate(model, given)
            triplets = max(8, int(given.triplets * MODELS.get(model.removeprefix(CLIP), 1.0)))
            watch = Watch()
            run = measured(model, "nights", root, cache, given, watch, limit=triplets, compiled=not given.eager)
            rate = watch.rate()
            start = run.record.timing["extract"] - run.record.images / rate
            share = f"{rate / rates[model]:.2f}"
            bare = f"{rates[model]:,.0f} | {rates[model] * tera:,.1f}"
            print(f"| {model} | {bare} | {rate:,.0f} | {share} | {start:.1f} |", flush=True)
        print(
            f"\n| model, {given.objects:,} pictures and {given.rows:,} triplets | pairs | path | extract, s | bare, s |"
        )
        print("|---|---|---|---|---|")
        for model in models:
            run = measured(model, "things", things, cache, given, Watch(), subsets=("all",))
            path = "matrix products" if run.record.execution["matrix_products"] else "pair by pair"
            extract, bare_seconds = run.record.timing["extract"], run.record.images / rates[model]
            print(f"| {model} | {run.record.pairs:,} | {path} | {extract:.1f} | {bare_seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
