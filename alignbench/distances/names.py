"""Names of the distances: in options and files, and as people read them."""

from __future__ import annotations

from typing import Final

DISTANCES: Final = ("normalized_euclidean", "euclidean", "cosine")
_DISPLAYED: Final = {"normalized_euclidean": "normalised Euclidean", "euclidean": "Euclidean"}


def distance_name(distance: str) -> str:
    """Return what people read for a distance; that of a metric is called as the metric calls it."""
    return _DISPLAYED.get(distance, distance)
