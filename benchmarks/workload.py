"""What the benchmarks of extraction shard: data of the published shapes, references, runs of the command line.

Everything that is timed runs in a process of its own, with the same number of threads, on random weights.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from alignbench.datasets.published_shapes import random_triplets
from alignbench.extraction.host import usable_cores

MODEL = "openai/clip-vit-base-patch32"
DISTORTIONS, LEVELS = 24, 5
TID2013_SIZE = (384, 512, 3)
Pixels = NDArray[np.uint8]

# ---------------------------------------------------------------------------------------------------- data


def smooth(rng: np.random.Generator, size: tuple[int, int, int]) -> Pixels:
    """A smooth picture, (height, width, 3)."""
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def noisy(rng: np.random.Generator, picture: Pixels, strength: int) -> Pixels:
    """The picture with uniform noise of so many grey levels."""
    noise = rng.integers(-strength, strength + 1, picture.shape, dtype=np.int16)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def write_tid2013(root: Path, references: int) -> int:
    """Write a data set of TID2013's layout and shape (BMP, 512 x 384); how many distinct images it has."""
    rng = np.random.default_rng(0)
    (root / "reference_images").mkdir(parents=True)
    (root / "distorted_images").mkdir()
    lines = []
    for reference in range(1, references + 1):
        picture = smooth(rng, TID2013_SIZE)
        Image.fromarray(picture).save(root / "reference_images" / f"I{reference:02d}.BMP")
        for distortion in range(1, DISTORTIONS + 1):
            for level in range(1, LEVELS + 1):
                name = f"i{reference:02d}_{distortion:02d}_{level}.bmp"
                Image.fromarray(noisy(rng, picture, 8 * level)).save(root / "distorted_images" / name)
                lines.append(f"{6 - level + rng.normal(0, 0.3):.5f} {name}\n")
    (root / "mos_with_names.txt").write_text("".join(lines))
    return references * (1 + DISTORTIONS * LEVELS)


def write_nights(root: Path, triplets: int, side: int = 768) -> int:
    """Write a data set of NIGHTS' layout (PNG, 768 x 768); how many distinct images it has."""
    with ProcessPoolExecutor(usable_cores()) as pool:
        list(pool.map(partial(_nights_triplet, root, side), range(triplets), chunksize=4))
    rows = []
    for number in range(triplets):
        paths = _nights_paths(number)
        right = number % 2
        split = ("train", "val", "test")[number % 3]
        rows.append([number, 1 - right, right, 8, *paths, "a scene", split, number % 2 == 0])
    columns = ["id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "prompt", "split"]
    pd.DataFrame(rows, columns=[*columns, "is_imagenet"]).to_csv(root / "data.csv", index=False)
    return 3 * triplets


def _nights_paths(number: int) -> list[str]:
    group = f"{number:05d}"
    return [f"ref/{group}/{group}.png", *(f"distort/{group}/{group}_{side}.png" for side in (0, 1))]


def _nights_triplet(root: Path, side: int, number: int) -> None:
    """A scene and two variations of it: files of about a megabyte, as a generated photograph has."""
    rng = np.random.default_rng(number)
    scene = smooth(rng, (side, side, 3)).astype(np.float64)
    for path, strength in zip(_nights_paths(number), (0.0, 0.3, 0.5), strict=True):
        mixed = (1 - strength) * scene + strength * smooth(rng, (side, side, 3))
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy(rng, mixed.astype(np.uint8), 4)).save(root / path, compress_level=4)


def write_things(root: Path, objects: int, rows: int, distinct: int | None) -> int:
    """Write a data set of THINGS' layout; how many distinct images it has.

    Pictures are JPEGs of 300 to 600 pixels a side, smaller than those of THINGS.

    Args:
        root: Folder to fill.
        objects: Number of objects.
        rows: Number of judgments.
        distinct: How many different triplets these are of, in `testset1.txt`; none for any, in `trainset.txt`.
    """
    rng = np.random.default_rng(0)
    names = [f"object{number:04d}" for number in range(objects)]
    for name in names:
        height, width = (int(side) for side in rng.integers(300, 600, 2))
        (root / "object_images" / name).mkdir(parents=True)
        picture = noisy(rng, smooth(rng, (height, width, 3)), 8)
        Image.fromarray(picture).save(root / "object_images" / name / f"{name}_01b.jpg", quality=90)
    (root / "unique_id.txt").write_text("".join(f"{name}\n" for name in names))
    triplets = random_triplets(objects, distinct or rows)
    if distinct is not None:
        triplets = rng.permuted(triplets[np.arange(rows) % len(triplets)], axis=1)  # the last column is the answer
    file = root / ("trainset.txt" if distinct is None else "testset1.txt")
    pd.DataFrame(triplets).to_csv(file, sep=" ", header=False, index=False)
    return len(np.unique(triplets))


# ---------------------------------------------------------------------------------------------- references


def child(code: str, threads: int, cores: Sequence[int] | None = None) -> str:
    """What a piece of Python prints in a process of its own."""
    return _process([sys.executable, "-c", code], threads, cores)


def _process(command: list[str], threads: int, cores: Sequence[int] | None) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    given = " ".join(command)
    if cores is not None:  # by this process, whose threads and children then have them as well
        pin = f"import os, sys; os.sched_setaffinity(0, {list(cores)}); os.execv(sys.argv[1], sys.argv[1:])"
        command = [sys.executable, "-c", pin, *command]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{given[:300]}\n{done.stderr[-3000:]}")
    return done.stdout


def bare_forward(
    model: str, images: int, batch_size: int, threads: int, precision: str = "fp32", cores: Sequence[int] | None = None
) -> float:
    """Seconds of the model's forward pass alone over so many prepared pictures of noise, nothing kept."""
    code = f"""
import time, torch
from alignbench.models import load_tower
torch.set_num_threads({threads})
tower = load_tower({model!r}, random_init=True)
side = tower.prepare(__import__("PIL.Image").Image.new("RGB", (512, 384))).shape[-1]
pixels = torch.randn({batch_size}, 3, side, side)
low = {{"bf16": torch.bfloat16, "fp16": torch.float16}}.get({precision!r})
with torch.inference_mode(), torch.autocast("cpu", low, enabled=low is not None):
    tower.model(pixel_values=pixels)
    start = time.perf_counter()
    for done in range(0, {images}, {batch_size}):
        tower.model(pixel_values=pixels[: {images} - done])
    print(time.perf_counter() - start)
"""
    return float(child(code, threads, cores))


def decoding(model: str, dataset: str, root: Path, processes: int) -> float:
    """Seconds to open and prepare every picture of a data set, with nothing else going on."""
    code = f"""
import time, numpy, torch
from pathlib import Path
from torch.utils.data import DataLoader
from alignbench.datasets import DATASETS
from alignbench.extraction.loader import OrderedImages, stack
from alignbench.models.families import preparation
data_set = DATASETS.load({dataset!r})
images = data_set.read(Path({str(root)!r}), (data_set.default_subset,)).images
pictures = OrderedImages(images, numpy.arange(len(images.names)), preparation({model!r}))
start = time.perf_counter()
for _ in DataLoader(pictures, 16, num_workers={processes}, collate_fn=stack):
    pass
print(time.perf_counter() - start)
"""
    return float(child(code, 1))


# ---------------------------------------------------------------------------------------------------- ours


@dataclass(frozen=True)
class Measured:
    """A run of ours.

    Attributes:
        folder: The run folder.
        extract: Seconds from the files to distances.
        score: Seconds of scoring.
        peak: Memory in GB.
        record: All of `run.json`.
    """

    folder: Path
    extract: float
    score: float
    peak: float
    record: dict[str, Any]


def ours(
    model: str, dataset: str, root: Path, output: Path, *options: str, threads: int, cores: Sequence[int] | None = None
) -> Measured:
    """Measure a model with random weights by the command line."""
    command = [sys.executable, "-m", "alignbench", "run", "--model", model, "--random-init", "--dataset", dataset]
    command += ["--data-root", str(root), "--output", str(output), "--overwrite", "--wandb", "off", *options]
    folder = Path(_process(command, threads, cores).splitlines()[-1])
    record = json.loads((folder / "run.json").read_text())
    return Measured(folder, record["timing"]["extract"], record["timing"]["score"], record["peak_memory_gb"], record)


def fill_cache(model: str, dataset: str, root: Path, cache: Path, *options: str) -> None:
    """Prepare the pictures of a data set beforehand."""
    command = [sys.executable, "-m", "alignbench", "datasets", "cache", dataset, "--model", model]
    _process([*command, "--data-root", str(root), "--pixel-cache", str(cache), *options], 1, None)


# ------------------------------------------------------------------------------------------------- results


def machine() -> str:
    """Date, processor, cores, and what it has for bfloat16."""
    name, flags = "unknown processor", set[str]()
    if Path("/proc/cpuinfo").is_file():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            name = value.strip() if key.strip() == "model name" else name
            flags |= set(value.split()) if key.strip() == "flags" else set()
    has = ", ".join(
        f"{flag} {'yes' if flag in flags else 'no'}" for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    )
    return f"{time.strftime('%Y-%m-%d')}, {name}, {usable_cores()} cores, {has}"


def has_amx() -> bool:
    """Whether this processor multiplies matrices of bfloat16 natively."""
    return "amx_bf16 yes" in machine()


def verdict(what: str, value: float, at_most: float | None = None, at_least: float | None = None) -> str:
    """A number beside what it must reach."""
    if at_most is not None:
        return f"{what} {value:.3f} (at most {at_most:g}: {'yes' if value <= at_most else 'NO'})"
    if at_least is not None:
        return f"{what} {value:.3f} (at least {at_least:g}: {'yes' if value >= at_least else 'NO'})"
    return f"{what} {value:.3f}"


def median_ratio(ours: Sequence[float], reference: Sequence[float]) -> float:
    """The ratio of the medians."""
    return statistics.median(ours) / statistics.median(reference)
