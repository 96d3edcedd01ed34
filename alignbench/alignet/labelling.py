"""A teacher's labels of triplets: the similarities of their three pairs, raw, and the odd one out last.

    s_ab = x_a . x_b, in the teacher's representation, or its cosine;  the closest pair comes first

Of pairs alike the first of (0, 1), (0, 2), (1, 2) counts as the closest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import unknown

SIMILARITIES: Final = ("dot", "cosine")
_PICTURES: Final = np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])  # by the closest pair: which picture comes where
_PAIRS: Final = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1]])  # and which similarity
_SURE: Final = 0.99  # of a choice: its target is a single answer


def pair_similarities(points: NDArray[np.float32], triplets: NDArray[np.integer[Any]], kind: str = "dot") -> Floats:
    """Return the similarities of the three pairs of triplets.

    Args:
        points: (pictures, d), in memory or mapped.
        triplets: (n, 3), numbers of pictures.
        kind: `dot`, or `cosine`.

    Returns:
        (n, 3), as [s01, s02, s12]; NaN where the cosine with a picture of zeros is asked for.

    Raises:
        UsageError: If there is no such kind.
    """
    if kind not in SIMILARITIES:
        raise unknown("similarity", kind, SIMILARITIES)
    first, second, third = (points[column] for column in np.asarray(triplets).T)
    found = np.stack([_products(a, b) for a, b in ((first, second), (first, third), (second, third))], axis=1)
    if kind == "cosine":
        lengths = np.sqrt(np.stack([_products(each, each) for each in (first, second, third)], axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            found /= lengths[:, [0, 0, 1]] * lengths[:, [1, 2, 2]]
    return found


def _products(a: NDArray[np.float32], b: NDArray[np.float32]) -> Floats:
    products: Floats = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return products


def odd_one_last(
    triplets: NDArray[np.int32], similarities: Floats
) -> tuple[NDArray[np.int32], NDArray[np.float32], Indices]:
    """Bring the closest pair of each triplet to the front, in pictures and similarities.

    Args:
        triplets: (n, 3).
        similarities: (n, 3), as [s01, s02, s12].

    Returns:
        Both in the new order, and the place at which the odd one was, (n,).

    Examples:
        >>> import numpy as np
        >>> pictures, values, place = odd_one_last(np.array([[7, 8, 9]], dtype=np.int32), np.array([[0.1, 0.5, 0.2]]))
        >>> pictures.tolist(), values.round(1).tolist(), place.tolist()
        ([[7, 9, 8]], [[0.5, 0.10000000149011612, 0.20000000298023224]], [1])
    """
    closest = similarities.astype(np.float32).argmax(axis=1)
    ordered = np.take_along_axis(triplets, _PICTURES[closest], axis=1)
    values = np.take_along_axis(similarities, _PAIRS[closest], axis=1).astype(np.float32)
    return ordered, values, 2 - closest


@dataclass
class LabelScale:
    """How large similarities are, and what softmax makes of them: added to block by block.

    Attributes:
        triplets: How many there were.
        first_largest: Triplets whose first similarity is the largest, one of several alike included.
        ties: Triplets with several largest similarities.
        odd_was_last: Triplets whose last picture was the odd one before they were ordered.
        total: Sum of the similarities.
        squares: Sum of their squares.
        entropy: Sum of the entropies of softmax of the three, in nats.
        sure: Triplets of which it gives one answer more than 0.99.
    """

    triplets: int = 0
    first_largest: int = 0
    ties: int = 0
    odd_was_last: int = 0
    total: float = 0.0
    squares: float = 0.0
    entropy: float = 0.0
    sure: int = 0

    def add(self, similarities: NDArray[np.float32], places: Indices | None) -> None:
        """Add triplets.

        Args:
            similarities: (n, 3), as [s01, s02, s12].
            places: The place at which the odd one was, (n,); none if that is not known.
        """
        values = similarities.astype(np.float64)
        largest = values.max(axis=1, keepdims=True)
        below = values - largest
        weights = np.exp(below)
        mass = weights.sum(axis=1)
        self.triplets += len(values)
        self.first_largest += int((below[:, 0] == 0).sum())
        self.ties += int(((below == 0).sum(axis=1) > 1).sum())
        self.odd_was_last += 0 if places is None else int((places == 2).sum())
        self.total += float(values.sum())
        self.squares += float((values**2).sum())
        self.entropy += float((np.log(mass) - (weights * below).sum(axis=1) / mass).sum())
        self.sure += int((1 / mass > _SURE).sum())

    def record(self) -> dict[str, float | int]:
        """Return what is recorded: how many triplets there are, and means and shares over them."""
        n, mean = self.triplets, self.total / (3 * self.triplets)
        return {
            "triplets": n,
            "first_largest": self.first_largest / n,
            "ties": self.ties / n,
            "odd_was_last": self.odd_was_last / n,
            "mean": mean,
            "std": math.sqrt(max(self.squares / (3 * n) - mean**2, 0.0)),
            "entropy": self.entropy / n,
            "sure": self.sure / n,
        }
