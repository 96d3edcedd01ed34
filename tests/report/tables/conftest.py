"""Runs of two data sets, made once for all tests of tables: models, twins, a baseline, and other ways of measuring."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.study.study import Study, read_study
from studies import BASE_16, BASE_32, SIGLIP, Made, write_made

MAIN, COSINE = "normalized_euclidean", "cosine"
SCORES = {BASE_16: 0.6, BASE_32: 0.7, SIGLIP: 0.5, "ssim": 0.55}


def near(label: str, dataset: str, distance: str, layer: str) -> float:
    """Scores that rise with depth, and are least of untrained twins."""
    if "@random" in label:
        return 0.4 + 0.02 * int(label[-1])
    step = 0 if layer == "image" else 12 if layer == "projection" else int(layer.rpartition("_")[2])
    return SCORES.get(label, 0.6) + 0.01 * step * (dataset == "nights")


def made(label: str, dataset: str, size: int, **changes: object) -> Made:
    return Made(label.partition("@")[0], dataset, size, near, (MAIN, COSINE), label=label, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables")
    for dataset, size in (("tid2013", 100), ("nights", 60)):
        for label in (BASE_16, f"{BASE_16}@random-0", f"{BASE_16}@random-1", f"{BASE_16}@random-2", BASE_32, "ssim"):
            write_made(made(label, dataset, size), root)
    write_made(made(SIGLIP, "nights", 60, settings={"precision": "bf16"}), root)
    write_made(made(SIGLIP, "nights", 40, settings={"tokens": "cls"}), root)
    return root


@pytest.fixture(scope="package")
def study(folders: Path) -> Study:
    found, skipped = read_study([folders])
    assert not skipped
    return found
