"""Features as a tower has them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.distances.names import DISTANCES

Floats = NDArray[np.float64]


def check_close(found: dict[str, Floats], expected: dict[str, Floats]) -> None:
    assert found.keys() == expected.keys() == set(DISTANCES)
    for name in DISTANCES:
        assert expected[name].min(axis=1)[1:].min() > 0
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


def features(images: int, tokens: int, channels: int, seed: int) -> Tensor:
    """Float32 features whose channels differ in scale and mean, as a tower's do."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-2, 2, channels)
    values = rng.normal(rng.normal(0, 2, channels), 1.0, (images, tokens, channels)) * scale
    return torch.from_numpy(values.astype(np.float32))
