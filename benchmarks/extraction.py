"""Extraction against the bare forward pass, in one run: time ratio and peak memory.

    python benchmarks/extraction.py [--model NAME] [--references 25] [--batch-size 16] [--threads 2] [--rounds 1]

The data have TID2013's shape (references x 24 distortions x 5 levels, 512 x 384 BMP files) and are made in a temporary
folder. The bare pass is `torch.inference_mode` over prepared random pixels of as many distinct images; ours starts from
the files and ends with all three distances at all layers. Both are run in turn; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

DISTORTIONS, LEVELS = 24, 5
SIZE = (384, 512, 3)


def write_data(root: Path, references: int) -> int:
    """Write a data set of TID2013's layout; returns its number of distinct images."""
    rng = np.random.default_rng(0)
    (root / "reference_images").mkdir()
    (root / "distorted_images").mkdir()
    lines = []
    for reference in range(1, references + 1):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize((SIZE[1], SIZE[0]), Image.Resampling.BICUBIC))
        Image.fromarray(picture).save(root / "reference_images" / f"I{reference:02d}.BMP")
        for distortion in range(1, DISTORTIONS + 1):
            for level in range(1, LEVELS + 1):
                noise = rng.integers(-8 * level, 8 * level + 1, SIZE, dtype=np.int16)
                name = f"i{reference:02d}_{distortion:02d}_{level}.bmp"
                damaged = np.clip(picture + noise, 0, 255).astype(np.uint8)
                Image.fromarray(damaged).save(root / "distorted_images" / name)
                lines.append(f"{6 - level + rng.normal(0, 0.3):.5f} {name}\n")
    (root / "mos_with_names.txt").write_text("".join(lines))
    return references * (1 + DISTORTIONS * LEVELS)


def bare_forward(model: str, images: int, batch_size: int, threads: int) -> float:
    """Seconds of the model's forward pass alone, in a process of its own."""
    code = f"""
import time, torch
torch.set_num_threads({threads})
from alignbench.models import load_tower
tower = load_tower({model!r}, random_init=True)
side = tower.prepare(__import__("PIL.Image").Image.new("RGB", (512, 384))).shape[-1]
pixels = torch.randn({batch_size}, 3, side, side)
with torch.inference_mode():
    tower.model(pixel_values=pixels)
    start = time.perf_counter()
    done = 0
    while done < {images}:
        some = min({batch_size}, {images} - done)
        tower.model(pixel_values=pixels[:some])
        done += some
    print(time.perf_counter() - start)
"""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def ours(model: str, root: Path, output: Path, batch_size: int) -> tuple[float, float, float]:
    """Seconds of extraction, seconds of scoring, and peak memory in GB."""
    command = [sys.executable, "-m", "alignbench", "run", "--model", model, "--random-init", "--dataset", "tid2013"]
    command += ["--data-root", str(root), "--batch-size", str(batch_size), "--output", str(output), "--overwrite"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads((Path(done.stdout.splitlines()[-1]) / "run.json").read_text())
    return record["timing"]["extract"], record["timing"]["score"], record["peak_memory_gb"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="openai/clip-vit-base-patch32")
    parser.add_argument("--references", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        root.mkdir()
        images = write_data(root, arguments.references)
        bare, full = [], []
        for number in range(arguments.rounds):
            bare.append(bare_forward(arguments.model, images, arguments.batch_size, arguments.threads))
            full.append(ours(arguments.model, root, Path(folder) / "runs", arguments.batch_size))
            ratio = full[-1][0] / bare[-1]
            print(f"round {number + 1}: bare {bare[-1]:.1f} s, ours {full[-1][0]:.1f} s, ratio {ratio:.3f}", flush=True)
    start = time.strftime("%Y-%m-%d")
    ratio = statistics.median(f[0] for f in full) / statistics.median(bare)
    print(f"{start}, {images} images, {arguments.model}, batch {arguments.batch_size}, {arguments.threads} threads")
    print(f"extract / bare forward {ratio:.3f}; scoring {full[-1][1]:.2f} s; peak {max(f[2] for f in full):.2f} GB")


if __name__ == "__main__":
    main()
