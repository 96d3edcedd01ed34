"""People who choose by a softmax of dot products, in plain NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

_PAIRS = ((0, 1), (0, 2), (1, 2))
_ODD_LAST = np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])


def truth(x: NDArray[np.float64], triplets: NDArray[np.int64]) -> NDArray[np.float64]:
    """How likely each pair is kept, (t, 3)."""
    products = [(x[triplets[:, a]] * x[triplets[:, b]]).sum(axis=1) for a, b in _PAIRS]
    return np.asarray(softmax(np.stack(products, axis=1), axis=1))


def choose(x: NDArray[np.float64], triplets: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The triplets with the odd one last."""
    p = truth(x, triplets)
    kept = (rng.uniform(size=(len(p), 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=2)
    return np.take_along_axis(triplets, _ODD_LAST[kept], axis=1)
