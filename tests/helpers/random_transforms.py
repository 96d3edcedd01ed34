"""Transforms with random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alignbench.transforms import AffineTransform

Capture = pytest.CaptureFixture[str]


def transform(width: int, columns: int | None = None, seed: int = 0, **provenance: Any) -> AffineTransform:
    """A random transform with a bias."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(width, columns or width)) / np.sqrt(width)
    return AffineTransform(weights, 0.3, 1.7, rng.normal(size=columns or width), provenance)
