"""ResNet-50 and ViT-B/16 of timm on TID2013-shaped data, tapped at all usual layers, against their bare forward passes.

    python benchmarks/towers.py [--model NAME]... [--references 25] [--batch-size 16] [--threads 2] [--rounds 3]

The data have TID2013's shape (references x 24 distortions x 5 levels, 512 x 384 BMP files) and are made in a temporary
folder; their prepared pixels are cached. The bare pass is timm's own model in `torch.inference_mode` over prepared
pixels of as many distinct images; ours ends with all three distances at all usual layers. Both are run in turn, each in
a process of its own with the same number of threads; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from workload import child, fill_cache, machine, median_ratio, ours, verdict, write_tid2013

MODELS = ("timm:resnet50", "timm:vit_base_patch16_224")
AT_MOST = 1.15


def bare_forward(model: str, images: int, batch_size: int, threads: int) -> float:
    """Seconds of timm's own forward pass over so many prepared pictures of noise, nothing kept."""
    code = f"""
import time, timm, torch
torch.set_num_threads({threads})
model = timm.create_model({model.removeprefix("timm:")!r}).eval()
pixels = torch.randn({batch_size}, *timm.data.resolve_model_data_config(model)["input_size"])
with torch.inference_mode():
    model(pixels)
    start = time.perf_counter()
    for done in range(0, {images}, {batch_size}):
        model(pixels[: {images} - done])
    print(time.perf_counter() - start)
"""
    return float(child(code, threads))


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="a model of timm; may be given several times")
    parser.add_argument("--references", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(given)
    batch, threads = arguments.batch_size, arguments.threads
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        images = write_tid2013(root, arguments.references)
        print(machine())
        for model in arguments.model or MODELS:
            cache = Path(folder) / model.replace(":", "-")
            fill_cache(model, "tid2013", root, cache)
            options = ("--batch-size", str(batch), "--pixel-cache", str(cache))
            bare, full = [], []
            for number in range(arguments.rounds):
                bare.append(bare_forward(model, images, batch, threads))
                full.append(ours(model, "tid2013", root, Path(folder) / "runs", *options, threads=threads))
                seconds = f"bare {bare[-1]:.1f} s, ours {full[-1].extract:.1f} s"
                print(f"round {number + 1}: {seconds}, ratio {full[-1].extract / bare[-1]:.3f}", flush=True)
            print(f"{images:,} images, {model}, batch {batch}, {threads} threads, pixels cached")
            ratio = median_ratio([run.extract for run in full], bare)
            print(verdict("extract / bare forward", ratio, at_most=AT_MOST))
            print(verdict("peak GB", max(run.peak for run in full)))


if __name__ == "__main__":
    main()
