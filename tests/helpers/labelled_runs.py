"""A folder of finished runs with labels of their own, as `alignbench compare` looks for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from studies import BASE_32, LARGE_14, Made, write_made

NAMES = ("normalized_euclidean", "cosine")
SCORES = {"one": 0.7, "two": 0.5, "deep": 0.6, "pixels": 0.4, "ssim": 0.45}
SIZES = {"tid2013": 100, "nights": 120, "things": 240}


def score(label: str, dataset: str, distance: str, layer: str) -> float:
    """The score of a label, a little lower before the last layers; on NIGHTS all models are nearly alike."""
    best = SCORES.get(label, 0.55)
    return (0.6 + best / 10 if dataset == "nights" else best) - (0.05 if layer in ("layer_0", "layer_1") else 0.0)


def write_labelled(root: Path, label: str, dataset: str, **changes: Any) -> Path:
    """The run of a label on a data set: of a baseline of that name, of a deeper tower for `deep`, or of a tower."""
    model = label if label in ("pixels", "ssim") else LARGE_14 if label == "deep" else BASE_32
    usual = {"label": label, "distances": NAMES}
    return write_made(Made(model, dataset, SIZES[dataset], score, **(usual | changes)), root)


def write_labels(root: Path) -> Path:
    """`one` on three data sets; `two` and `pixels` on two of them; `deep` (cosine alone) and `ssim` on TID2013."""
    for label, datasets in (
        ("one", ("tid2013", "nights", "things")),
        ("two", ("tid2013", "nights")),
        ("pixels", ("tid2013", "nights")),
        ("ssim", ("tid2013",)),
    ):
        for dataset in datasets:
            write_labelled(root, label, dataset)
    write_labelled(root, "deep", "tid2013", distances=("cosine",))
    return root


def copy_labels(labels: Path, place: Path) -> Path:
    """A copy of the folder, to which runs may be added."""
    shutil.copytree(labels, place)
    return place


def folder(labels: Path, label: str, dataset: str) -> Path:
    """The one run of a label on a data set."""
    [found] = labels.glob(f"{label}__{dataset}__*")
    return found
