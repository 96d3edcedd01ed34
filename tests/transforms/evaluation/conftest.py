"""What tests of judging a transform share: triplets, and a folder of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from alignbench.datasets import shapes
from alignbench.datasets.judgments import Judgments


@pytest.fixture(scope="module")
def triplets() -> Judgments:
    return shapes.read("high", None, ("trainset",)).limited(60)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 12 pictures."""
    root = tmp_path_factory.mktemp("pictures")
    for label in ("cats", "dogs"):
        (root / label).mkdir()
        for number in range(12):
            Image.new("RGB", (8, 8), (20 * number, 9 * len(label), 100)).save(root / label / f"{label}{number:02d}.png")
    return root
