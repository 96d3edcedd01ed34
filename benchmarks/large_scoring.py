"""The largest set of judgments, all of THINGS, from its files to the run folder: seconds and peak memory by stage.

    python benchmarks/large_scoring.py [--triplets 4700000] [--curves 42] [--protocol paper] [--compare]

Makes a data set of THINGS' shape (1,854 tiny pictures, random triplets, most of them in `trainset.txt`) and made-up
distances of as many curves as there are layers and distances, so that no model is needed. Peaks are of the process at
any time within the stage, with what earlier stages left; they are read from /proc, so that this runs on Linux only.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from alignbench.datasets.judgments import Judgments
from alignbench.datasets.things import THINGS
from alignbench.distances.names import DISTANCES
from alignbench.extraction.source import SourceDistances
from alignbench.measurement.cell import Cell
from alignbench.measurement.scoring import score_cell
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_folder import Run, write_run
from alignbench.results.run_record import RunRecord
from alignbench.results.stored_run import StoredRun
from alignbench.study.comparison import compare

OBJECTS = 1_854
SHARES = {"testset1": 0.0033, "validationset": 0.0965}  # of all triplets; the rest are `trainset`
PEAK = "VmHWM:"  # line of /proc/self/status


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print the seconds and the peak memory of what is done inside."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(PEAK)]
    print(f"{name:12s} {seconds:6.1f} s, peak {int(line.split()[1]) / 1e6:5.2f} GB", flush=True)


def triplets(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random triplets of different objects, (count, 3)."""
    rows = rng.integers(0, OBJECTS, (count, 3))
    while True:
        ordered = np.sort(rows, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(again):
            return rows
        rows[again] = rng.integers(0, OBJECTS, (len(again), 3))


def write_data(root: Path, count: int) -> None:
    """Write a data set of THINGS' layout with so many triplets."""
    rng = np.random.default_rng(0)
    (root / "object_images").mkdir()
    names = [f"object{number:04d}" for number in range(OBJECTS)]
    (root / "unique_id.txt").write_text("\n".join(names))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / "object_images" / f"{name}.jpg")
    sizes = {split: int(share * count) for split, share in SHARES.items()}
    for split, size in {**sizes, "trainset": count - sum(sizes.values())}.items():
        pd.DataFrame(triplets(rng, size)).to_csv(root / f"{split}.txt", sep=" ", header=False, index=False)


def made_up(curves: int, judgments: Judgments) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Distances by name, (layers, pairs), and the names of the layers."""
    rng = np.random.default_rng(1)
    layers = max(1, curves // len(DISTANCES))
    names = (*(f"layer_{layer}" for layer in range(layers - 1)), "projection")
    return {name: rng.random((layers, len(judgments.pairs))) for name in DISTANCES}, names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triplets", type=int, default=4_700_000)
    parser.add_argument("--curves", type=int, default=42)
    parser.add_argument("--protocol", choices=["paper", "corrected"], default="paper")
    parser.add_argument("--compare", action="store_true", help="also compare two runs on all triplets")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "things"
        root.mkdir()
        write_data(root, given.triplets)
        with stage("reading"):
            judgments = THINGS.read(root, ("all",))
        identities = judgments.images.identities()
        with stage("fingerprint"):
            fingerprint = judgments.fingerprint(identities)
        with stage("stimuli"):
            stimuli = judgments.stimuli(identities)
        distances, layers = made_up(given.curves, judgments)
        depths = tuple(np.linspace(0.0, 100.0, len(layers)).tolist())
        cell = Cell("made-up", "things", protocol=given.protocol)
        curves = len(layers) * len(DISTANCES)
        print(f"{len(judgments.ids):,} triplets of {len(judgments.pairs):,} pairs, {curves} curves")
        with stage("scoring"):
            frame, intervals = score_cell(
                cell, judgments, SourceDistances(layers, depths, distances), THINGS.published_ceiling
            )
        settings = {"model": "made-up", "dataset": "things", "protocol": given.protocol, "subset": ["all"]}
        settings |= {"data_fingerprint": fingerprint, "limit": None, "random_init": False, "seed": 0}
        told = {"label": "made-up", "settings": settings, "kind": "choice", "interval": intervals}
        run = Run(LayerCurve(frame), layers, distances, judgments, RunRecord.from_json(told), stimuli)
        with stage("writing"):
            folder = write_run(run, Path(scratch) / "runs", lambda curve, folder: None)
        del judgments, stimuli
        other = replace(run, distances={name: values[:, ::-1] for name, values in distances.items()})
        if given.compare:
            record = RunRecord.from_json(told | {"settings": settings | {"limit": 0}})
            second = write_run(replace(other, record=record), folder.parent, lambda *_: None)
        del run, other, distances
        with stage("reading back"):
            stored = StoredRun(folder)
            stored.judgment_rows()
            stored.all_distances()
        if given.compare:
            with stage("comparing"):
                compare(folder, second)


if __name__ == "__main__":
    main()
