"""The packaged world with known similarities as data sets: `shapes-levels` and `shapes-objects`, world of seed 0.

They have the form of Levels and of THINGS, need no files, and are NOT human data: see `levels_people`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from alignbench.datasets import levels_people
from alignbench.datasets.data_set import Corrected, DataSet
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.levels_people import OBSERVERS
from alignbench.datasets.levels_world import LevelsWorld
from alignbench.errors import UsageError, unknown

WORLD: Final = LevelsWorld(0)
_Read = Callable[[Path | None, tuple[str, ...]], Judgments]


def read_levels(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Make the odd-one-out choices at three levels; option 0 of every judgment is the pair that was kept.

    Args:
        root: Must be none, as there are no files.
        subsets: `coarse`, `fine`, `boundary`, or `all` for these, each scored by itself.

    Raises:
        UsageError: If a root was given, or a subset is unknown (names the nearest).
    """
    wanted = _wanted("shapes-levels", root, subsets, levels_people.LEVELS)
    return levels_people.level_judgments(WORLD, wanted)


def read_objects(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Make the odd-one-out choices of objects; option 0 of every judgment is the pair that was kept.

    Args:
        root: Must be none, as there are no files.
        subsets: `trainset` (no object of a held-out basic kind), `testset` (at least one in each triplet), or `all`
            for both, each scored by itself.

    Raises:
        UsageError: If a root was given, or a subset is unknown (names the nearest).
    """
    wanted = _wanted("shapes-objects", root, subsets, levels_people.SPLITS)
    return levels_people.object_judgments(WORLD, wanted)


def _wanted(name: str, root: Path | None, subsets: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """The subsets that are meant, once it is seen that they are known and no root was given."""
    if root is not None:
        raise UsageError(f"{name} is drawn on demand and takes no --data-root")
    for subset in subsets:
        if subset not in (*known, "all"):
            raise unknown(f"subset of {name}", subset, (*known, "all"))
    return known if "all" in subsets else tuple(dict.fromkeys(subsets))


def _data_set(name: str, summary: str, subsets: dict[str, int], default: str, read: _Read) -> DataSet:
    return DataSet(
        name=name,
        level="high",
        kind="choice",
        summary=f"{summary} ({OBSERVERS}, not human data)",
        home="packaged: drawn on demand",
        terms="part of the package",
        default_subset=default,
        subsets=(*subsets, "all"),
        read=read,
        packaged=True,
        corrected=Corrected((default,)),
        counts=subsets,
    )


_OF_LEVEL: Final = levels_people.TRIPLETS * levels_people.ANSWERS
_OF_SPLIT: Final = {
    name: levels_people.OBJECT_TRIPLETS[name] * levels_people.OBJECT_ANSWERS[name] for name in levels_people.SPLITS
}
LEVELS: Final = _data_set(
    "shapes-levels",
    "odd one out at three levels of abstraction, 3,000 triplets judged 5 times each",
    dict.fromkeys(levels_people.LEVELS, _OF_LEVEL),
    "all",
    read_levels,
)
OBJECTS: Final = _data_set(
    "shapes-objects",
    "odd one out of 384 objects, 24,000 triplets to learn from and 500 with new kinds",
    _OF_SPLIT,
    "testset",
    read_objects,
)
