"""Zero-shot classification: a picture is of the class whose text its embedding has the largest product with."""

from __future__ import annotations

from typing import Final

import numpy as np

from alignbench.arrays import Floats, Indices

_ROWS: Final = 4096  # pictures at a time


def classified_right(embeddings: Floats, classes: Floats, labels: Indices) -> Floats:
    """Say of each picture whether it is classified right.

    Args:
        embeddings: Embeddings of the pictures, (n, d'), of any length: that changes no order.
        classes: Embeddings of the classes, (C, d').
        labels: The class of each picture, (n,).

    Returns:
        1 or 0 for each picture, (n,); where k classes tie for the largest product, 1/k if its own is one of them.
    """
    found = np.empty(len(embeddings))
    for start in range(0, len(embeddings), _ROWS):
        rows = slice(start, start + _ROWS)
        products = embeddings[rows] @ classes.T
        best = products == products.max(axis=1, keepdims=True)
        own = best[np.arange(len(products)), labels[rows]]
        found[rows] = own / best.sum(axis=1)
    return found
