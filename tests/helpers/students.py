"""Small students: labelled triplets of noise, a small ViT, and what their training leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.numpy import load_file
from transformers import ViTConfig, ViTImageProcessor, ViTModel

from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.alignet.training.run import StudentJob, train_student
from alignbench.measurement.sources import TowerRequest, load_ready_tower
from alignbench.transforms.learning.folder import Destination

PICTURES, TRIPLETS, HELD_OUT = 12, 37, 11
RECIPE = StudentRecipe(
    objective="kl", temperature=2.0, width=6, learning_rate=3e-3, warmup=5, steps=20, batch=8, decay=2.0, seed=3
)
COURSE = Course(log_every=7, checkpoint_every=8, workers=0)


def write_pictures(root: Path, count: int = PICTURES) -> list[str]:
    """Pictures of noise, in two folders, and one that no triplet names."""
    rng = np.random.default_rng(1)
    names = [f"{'ab'[number % 2]}/{number}.png" for number in range(count)]
    for name in [*names, "a/other.png"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(root / name)
    return names


def write_labels(folder: Path, names: list[str], count: int = TRIPLETS) -> None:
    """Labelled triplets, as `alignbench alignet label` leaves them."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    triplets = np.array([rng.permutation(len(names))[:3] for _ in range(count)], dtype=np.int32)
    similarities = np.sort(rng.normal(size=(count, 3)).astype(np.float32), axis=1)[:, ::-1]
    np.save(folder / "triplets.npy", triplets)
    np.save(folder / "similarities.npy", np.ascontiguousarray(similarities))
    (folder / "names.json").write_text(json.dumps(names))
    settings = {"model": "a teacher", "layer": "projection", "space": "raw", "transform": None}
    (folder / "labels.json").write_text(json.dumps({"settings": settings}))


def write_held_out(inputs: Path, folder: Path, seed: int = 4) -> Path:
    """Labelled triplets of the training pictures, none of which is trained on."""
    rng = np.random.default_rng(seed)
    names = json.loads((inputs / "labels/names.json").read_text())
    trained = {tuple(sorted(row)) for row in np.load(inputs / "labels/triplets.npy").tolist()}
    free = [each for each in combinations(range(len(names)), 3) if each not in trained]
    rows = np.array([rng.permutation(free[number]) for number in rng.choice(len(free), HELD_OUT, replace=False)])
    folder.mkdir(parents=True)
    (folder / "names.json").write_text(json.dumps(names))
    (folder / "labels.json").write_text(json.dumps({"settings": {"space": "raw"}}))
    np.save(folder / "triplets.npy", rows.astype(np.int32))
    similarities = np.sort(rng.normal(size=(HELD_OUT, 3)).astype(np.float32), axis=1)[:, ::-1]
    np.save(folder / "similarities.npy", np.ascontiguousarray(similarities))
    return folder


def write_vit(folder: Path) -> None:
    """A ViT of two blocks with random weights, as transformers saves it; dropout would show if it was on."""
    import torch

    torch.manual_seed(5)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=16,
        patch_size=8,
        hidden_dropout_prob=0.3,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)


def write_inputs(root: Path) -> Path:
    """All of it in one folder: `pictures`, `labels` and `vit`."""
    names = write_pictures(root / "pictures")
    write_labels(root / "labels", names)
    write_vit(root / "vit")
    return root


def make_job(inputs: Path, recipe: StudentRecipe = RECIPE, course: Course = COURSE, **further: Any) -> StudentJob:
    """A job on these inputs."""
    job = StudentJob(
        str(inputs / "vit"), inputs / "labels", inputs / "pictures", recipe, course, pixel_cache=inputs / "cache"
    )
    return replace(job, **further)


def train(
    job: StudentJob,
    output: Path,
    listener: TrainingListener | None = None,
    *,
    overwrite: bool = False,
    prepared: Callable[[Any], None] = lambda ready: None,
) -> tuple[Path, bool]:
    """Load the model anew and train it."""
    request = TowerRequest(job.model, "cls", job.random_init, job.recipe.seed, layers=("projection",))
    ready = load_ready_tower(request)
    prepared(ready)
    return train_student(job, ready, Destination(output, lambda frame, place: None, overwrite), listener)


class Stopping(TrainingListener):
    """Does something after a step."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self.step, self.act, self.made, self.began = step, act, 0, -1

    def started(self, done: int, steps: int, pictures: int) -> None:
        self.made = self.began = done

    def advanced(self) -> None:
        self.made += 1
        if self.made == self.step:
            self.act()


def left(folder: Path) -> dict[str, Any]:
    """What a student is: every tensor bit by bit, and the log without its times."""
    tensors = {
        f"{file.name}/{name}": (array.dtype.str, array.shape, array.tobytes())
        for file in sorted(folder.glob("*.safetensors"))
        for name, array in load_file(file).items()
    }
    record = json.loads((folder / "student.json").read_text())
    log = pd.read_csv(folder / "training.csv")
    told = {key: record[key] for key in ("settings", "first_step", "theta_0", "distance_to_start", "steps")}
    return {"tensors": tensors, "log": log.to_dict("list"), **told}
