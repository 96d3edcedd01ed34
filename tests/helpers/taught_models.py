"""What a model is judged on before and after it was taught, small enough for a test: pictures, triplets, a student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from alignbench.models.checkpoints import checkpoint_folder
from alignbench.models.families import load_tower

CLASSES = ("x/a", "x/b", "x/c", "y/d", "y/e", "y/f")
PICTURES = 5


def write_classes(root: Path, shade: int = 0) -> Path:
    """Pictures of six classes of two superordinates, told by their colours."""
    rng = np.random.default_rng(shade)
    for number, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        colour = np.array([40 * number, 200 * (number > 2), shade])
        for picture in range(PICTURES):
            pixels = np.clip(colour + rng.normal(0, 25, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{picture}.png")
    return root


def write_labels(root: Path, pictures: Path, count: int = 30) -> Path:
    """Triplets of pictures that a teacher has labelled."""
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(len(names), 3, replace=False) for _ in range(count)]).astype(np.int32)
    root.mkdir(parents=True)
    (root / "labels.json").write_text(json.dumps({"settings": {"space": "raw"}}))
    (root / "names.json").write_text(json.dumps(names))
    np.save(root / "triplets.npy", rows)
    np.save(root / "similarities.npy", np.sort(rng.normal(size=(count, 3)).astype(np.float32), axis=1)[:, ::-1].copy())
    return root


def write_student(folder: Path, **settings: Any) -> Path:
    """The packaged model as a folder that says that it was trained from random weights of its kind, on `labels`."""
    folder.mkdir(parents=True)
    for path in checkpoint_folder("shapes-clip").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_tower("shapes-clip", random_init=True, seed=0).fingerprint
    before = {"model": "shapes-clip@random-0", "random_init": True, "model_fingerprint": weights}
    record = {
        "settings": before | settings,
        "data": {"triplets_of": "labels"},
        "labels": {"settings": {"space": "raw"}},
    }
    (folder / "student.json").write_text(json.dumps(record))
    return folder
