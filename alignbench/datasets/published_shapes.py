"""The pair graphs of the study's data sets as published, for planning without their files.

TID2013 and NIGHTS are settled by their numbers. Which triplets of THINGS people judged they do not tell: as many
are drawn at random, with every object in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.judgments import unique_pairs
from alignbench.errors import UsageError

OBJECTS: Final = 1_854  # of THINGS
_RATED: Final = {"all": 25}  # references of TID2013
_JUDGED: Final = {  # triplets of NIGHTS; under the corrected protocol those with 6 votes or more
    "paper": {"all": 20_019},
    "corrected": {"test": 1_824},
}
_ODD: Final = {"testset1": 1_000, "validationset": 453_642}  # distinct triplets of THINGS
_CALIBRATING: Final = {"nights": 1_000, "things": 10_000}  # triplets that channel means are fitted on
_BMP: Final = 54 + 512 * 384 * 3  # bytes of a picture of TID2013


@dataclass(frozen=True)
class Shape:
    """A data set as far as its cost goes.

    Attributes:
        images: Number of distinct pictures.
        pairs: Pairs of them, (P, 2).
        references: Number of the reference of each pair, (P,), where pairs have one.
        suffix: Suffix of the pictures' files.
        picture_bytes: Size of one picture file; none where they differ in size.
    """

    images: int
    pairs: Indices
    references: Indices | None
    suffix: str
    picture_bytes: int | None


def published_shape(dataset: str, subsets: tuple[str, ...], protocol: str) -> Shape | None:
    """Build the shape of a data set as published; none if it is not known.

    Args:
        dataset: Name of the data set.
        subsets: Subsets that are measured; empty for those that are measured by default.
        protocol: `paper` or `corrected`, under which other judgments are scored, and more pairs are looked at.

    Raises:
        UsageError: If the shape of the data set is known, but not that of these subsets.
    """
    build = _SHAPES.get(dataset)
    return None if build is None else build(subsets, protocol)


def _tid2013(subsets: tuple[str, ...], protocol: str) -> Shape:
    references = sum(_chosen("tid2013", subsets or ("all",), _RATED))
    around = np.arange(1, 121)  # 24 distortions at 5 levels
    first = np.repeat(np.arange(references) * 121, 120)
    pairs = np.stack([first, first + np.tile(around, references)], axis=1)
    return Shape(references * 121, pairs, first // 121, ".bmp", _BMP)


def _nights(subsets: tuple[str, ...], protocol: str) -> Shape:
    known = _JUDGED[protocol]
    triplets = sum(_chosen("nights", subsets or tuple(known), known))
    triplets += _CALIBRATING["nights"] if protocol == "corrected" else 0
    first = np.repeat(np.arange(triplets) * 3, 2)
    return Shape(3 * triplets, np.stack([first, first + np.tile([1, 2], triplets)], axis=1), None, ".png", None)


def _things(subsets: tuple[str, ...], protocol: str) -> Shape:
    wanted = subsets or (("testset1", "validationset") if protocol == "corrected" else ("testset1",))
    if wanted == ("all",) and protocol == "paper":  # 4.70 million triplets leave no pair out
        return Shape(OBJECTS, np.array(list(combinations(range(OBJECTS), 2))), None, ".jpg", None)
    count = sum(_chosen("things", wanted, _ODD)) + (_CALIBRATING["things"] if protocol == "corrected" else 0)
    pairs, _ = unique_pairs(random_triplets(OBJECTS, count)[:, [[0, 1], [0, 2], [1, 2]]])
    return Shape(OBJECTS, pairs, None, ".jpg", None)


def random_triplets(objects: int, count: int) -> Indices:
    """Draw triplets of different objects with seed 0, (count, 3); the first ones name every object once."""
    rng = np.random.default_rng(0)
    first = rng.permutation(objects)[: objects // 3 * 3].reshape(-1, 3)
    drawn = rng.integers(0, objects, (2 * count, 3))
    ends = np.sort(drawn, axis=1)
    differ = (np.diff(ends, axis=1) > 0).all(axis=1)
    return np.concatenate([first, drawn[differ]])[:count]


def _chosen(dataset: str, subsets: tuple[str, ...], known: Mapping[str, int]) -> list[int]:
    for subset in subsets:
        if subset not in known:
            raise UsageError(
                f"without its files the shape of {dataset} is known for subset {', '.join(known)} only, and not for "
                f"{subset}: give --data-root"
            )
    return [known[subset] for subset in subsets]


_SHAPES: Final[dict[str, Callable[[tuple[str, ...], str], Shape]]] = {
    "tid2013": _tid2013,
    "nights": _nights,
    "things": _things,
}
