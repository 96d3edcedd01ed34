"""Names of the distances: in options and files, and as people read them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

DISTANCES: Final = ("normalized_euclidean", "euclidean", "cosine")
_DISPLAYED: Final = {
    "normalized_euclidean": "normalised Euclidean",
    "euclidean": "Euclidean",
    "centred_cosine": "cosine of centred features",
}


def common_distance(measured: Mapping[str, Collection[str]]) -> str:
    """The distance by which several models are shown side by side: the first of `DISTANCES` that all have.

    Args:
        measured: The distances of each model.

    Returns:
        Its name; empty if no distance is common to all, or there is no model.
    """
    return next((name for name in DISTANCES if measured and all(name in names for names in measured.values())), "")


def distance_name(distance: str) -> str:
    """Return what people read for a distance; that of a metric is called as the metric calls it."""
    return _DISPLAYED.get(distance, distance)
