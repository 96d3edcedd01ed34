"""A training step of a student against the bare PyTorch loop of the same step, in one run.

    python benchmarks/student.py [--model openai/clip-vit-base-patch32] [--triplets 32] [--steps 3] [--rounds 3]
                                 [--threads 2] [--workers N] [--folder FOLDER]

The model has random weights; head and tower are trained. The bare loop has its pixels in memory, and makes the same
forward pass, loss, gradients and step of the same optimiser; ours reads prepared pictures from the pixel cache, through
Lightning, and writes its log. Both are run in turn, the first step of ours apart, which warms the loaders up; the ratio
is that of the medians of steps, by the clock and by the processor's time, which others on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from alignbench.alignet.objective import triplet_loss
from alignbench.alignet.towards_start import TowardsStart
from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.alignet.training.run import StudentJob, train_student
from alignbench.alignet.training.student import Student
from alignbench.measurement.sources import TowerRequest, load_ready_tower
from alignbench.transforms.learning.folder import Destination
from workload import machine, median_ratio, verdict

PICTURES = 96
Spent = list[tuple[float, float]]


def write_data(folder: Path, triplets: int) -> None:
    """Pictures of noise, and triplets of them with similarities drawn at random."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    (folder / "labels").mkdir()
    names = [f"{number}.png" for number in range(PICTURES)]
    for name in names:
        pixels = rng.integers(0, 256, (240, 240, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / name, compress_level=1)
    rows = np.array([rng.permutation(PICTURES)[:3] for _ in range(triplets)], dtype=np.int32)
    similarities = -np.sort(-rng.normal(size=(triplets, 3)).astype(np.float32), axis=1)
    np.save(folder / "labels" / "triplets.npy", rows)
    np.save(folder / "labels" / "similarities.npy", similarities)
    (folder / "labels" / "names.json").write_text(json.dumps(names))
    (folder / "labels" / "labels.json").write_text(json.dumps({"settings": {}}))


class Clock(TrainingListener):
    """Notes what each step took, by the clock and by the processor."""

    def __init__(self) -> None:
        self.spent: Spent = []
        self.last = (0.0, 0.0)

    def advanced(self) -> None:
        now = (time.perf_counter(), time.process_time())
        self.spent.append((now[0] - self.last[0], now[1] - self.last[1]))
        self.last = now


def bare_steps(student: Student, recipe: StudentRecipe, steps: int, side: int) -> Spent:
    """A loop with nothing around it."""
    pixels = torch.randint(0, 256, (3 * recipe.batch, 3, side, side)).byte()
    teacher = torch.randn(recipe.batch, 3)
    optimiser = TowardsStart(student.settle_parameters().values(), recipe.learning_rate, decay=recipe.decay)
    spent = []
    for step in range(steps + 1):
        before = time.perf_counter(), time.process_time()
        loss = triplet_loss(student(pixels).unflatten(0, (-1, 3)), teacher, recipe.objective, recipe.tau).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = recipe.rate(step)
        optimiser.step()
        spent.append((time.perf_counter() - before[0], time.process_time() - before[1]))
    return spent[1:]


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="openai/clip-vit-base-patch32")
    parser.add_argument("--triplets", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="Folder for temporary files.")
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    print(machine())
    bare: Spent = []
    ours: Spent = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        folder = Path(place)
        write_data(folder, 10 * arguments.triplets)
        recipe = StudentRecipe(steps=arguments.steps + 1, batch=arguments.triplets, warmup=0)
        course = Course(log_every=1, workers=arguments.workers, checkpoint_every=10_000)
        job = StudentJob(
            arguments.model, folder / "labels", folder / "pictures", recipe, course, True, folder / "cache"
        )
        for number in range(arguments.rounds):
            ready = load_ready_tower(TowerRequest(arguments.model, "cls", True, number, layers=("projection",)))
            side = int(ready.tower.prepare(Image.new("RGB", (64, 64))).shape[-1])
            bare += bare_steps(Student(ready.tower, recipe.width, False, 0), recipe, arguments.steps, side)
            clock = Clock()
            train_student(job, ready, Destination(folder / str(number), lambda frame, place: None), clock)
            ours += clock.spent[1:]
    by_clock, by_processor = ([[step[kind] for step in steps] for steps in (ours, bare)] for kind in (0, 1))
    print(
        f"{arguments.model}, {arguments.triplets} triplets a step, {arguments.threads} threads: "
        f"{np.median(by_clock[1]):.2f} s a bare step"
    )
    print(verdict("step / bare loop, by the processor's time", median_ratio(*by_processor), at_most=1.15))
    print(verdict("step / bare loop, by the clock", median_ratio(*by_clock), at_most=1.15))


if __name__ == "__main__":
    main()
