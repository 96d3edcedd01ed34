"""What tests of baselines share: weights and ratings of PerceptNet."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file

from layouts import write_tid2013
from perceptnet_weights import random_weights


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file(random_weights(), path)
    return path


@pytest.fixture(scope="module")
def ratings_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rating data set of 32 pairs of small pictures, of 4 references."""
    root = tmp_path_factory.mktemp("ratings") / "tid2013"
    write_tid2013(root, references=4, distortions=2, levels=4)
    for path in root.rglob("*.[bB][mM][pP]"):
        with Image.open(path) as picture:
            picture.resize((24, 18)).save(path, format="BMP")
    return root
