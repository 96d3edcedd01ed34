"""How long triplets take to draw and to label, from features that stay on the disk, and how much memory.

    python benchmarks/labels.py [--pictures 1281167] [--width 128] [--triplets 10000000] [--folder FOLDER]

It writes random features of that size and a random transform, draws triplets at the borders of 500 random clusters,
labels them, and prints the seconds and the peak of each. At full size it needs 2 GB of room.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from alignbench.alignet.label_folder import LabellingJob, label_triplets
from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.picture_groups import PictureGroups
from alignbench.alignet.sampled_triplets import SampledTriplets, SamplingJob, draw_triplets
from alignbench.alignet.sampling import SamplingOptions
from alignbench.alignet.teacher_features import teacher_features
from alignbench.transforms import AffineTransform

CLUSTERS = 500


def write_inputs(folder: Path, pictures: int, width: int) -> PictureGroups:
    """Features in a `.npy` with names beside it, a transform, and random clusters."""
    rng = np.random.default_rng(0)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, (pictures, width))
    for start in range(0, pictures, 100_000):
        block = features[start : start + 100_000]
        block[:] = rng.standard_normal(block.shape, dtype=np.float32)
    features.flush()
    names = tuple(f"class{number % 1000:03}/{number:07}.JPEG" for number in range(pictures))
    (folder / "names.json").write_text(json.dumps(names))
    weights = rng.normal(size=(width, width)) / width
    AffineTransform(weights, 0.0, 1.0, np.zeros(width)).save(folder / "teacher.safetensors")
    clusters = rng.integers(0, CLUSTERS, pictures).astype(np.int32)
    return PictureGroups(names, clusters, tuple(map(str, range(CLUSTERS))), {"clustering": "random"})


def measured(what: str, work: Callable[[], Path]) -> Path:
    """Do something, and print its seconds and the peak of this process's memory during it."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    start, used = time.perf_counter(), time.process_time()
    folder = work()
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1e6
    seconds = time.perf_counter() - start
    print(f"{what}: {seconds:.1f} s, {time.process_time() - used:.1f} s of processors, at most {peak:.2f} GB")
    return folder


def _drawn(groups: PictureGroups, count: int, folder: Path) -> Path:
    return draw_triplets(SamplingJob(groups, count, SamplingOptions(), folder))[0]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_281_167)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--triplets", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        groups = write_inputs(folder, options.pictures, options.width)
        drawn = measured("drawing", partial(_drawn, groups, options.triplets, folder))
        del groups

        def label() -> Path:
            features = teacher_features(folder / "features.npy", None, str(folder / "teacher.safetensors"))
            return label_triplets(LabellingJob(SampledTriplets.open(drawn), features, "dot", folder))[0]

        labelled = measured("labelling", label)
        measured("checking", lambda: LabelledTriplets.open(labelled).check().path)
        print(json.loads((labelled / "labels.json").read_text())["scale"])


if __name__ == "__main__":
    main()
