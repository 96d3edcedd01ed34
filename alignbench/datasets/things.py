"""THINGS (high level): which of three objects is the odd one out.

Hebart et al., "THINGS" (2019) and "THINGS-data" (2023). Images: one folder for each of 1,854 concepts, or flat files.
Triplets: text files (or `.npy`) of 0-based object numbers, the third the odd one; or the full table, 1-based, with
a column `choice`. Objects are numbered in the order of `unique_id.txt`, which is not alphabetical.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.images import FileImages, ImageSource
from alignbench.datasets.judgment_ids import NumberedIds
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.datasets.split_copies import refuse_copied_splits, warn_of_calibrating_rows
from alignbench.datasets.things_objects import TRIPLET_FOLDERS, concept_of, object_images
from alignbench.datasets.triplet_files import read_table, read_triplets
from alignbench.errors import DataError, UsageError, unknown

_TRAINING = "trainset"
_SPLITS = ("testset1", "validationset", _TRAINING, "testset2", "testset3")
_TABLE = "triplets_large_final_correctednc_correctedorder.csv"
_CALIBRATION = 10_000


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the odd-one-out choices of THINGS; option 0 of every judgment is the pair that people kept.

    Args:
        root: Folder with the images and the triplet files.
        subsets: `testset1` (the paper's: about 1,000 triplets judged about 16 times each), `validationset`,
            `trainset`, `testset2`, `testset3`; `all`: the full table if it is there, else every split that is; or
            `calibration`: 10,000 rows of `trainset`, drawn with seed 0.

    Raises:
        UsageError: If a subset is unknown (names the nearest), two exclude each other, or no root was given.
        DataError: If files are missing or malformed, or one split holds another; names the place.
    """
    for subset in subsets:
        if subset not in (*_SPLITS, "all", "calibration"):
            raise unknown("subset of things", subset, (*_SPLITS, "all"))
    if {"all", "calibration"} <= set(subsets):
        raise UsageError(
            "subset all of things holds judgments that the corrected protocol fits channel means on: measure another, "
            "or use --protocol paper"
        )
    folder = root_folder("things", root)
    names = object_images(folder)
    files = _TripletFiles(folder, len(names))
    parts = [files.triplets(subset) for subset in subsets]
    files.check_together(calibrated="calibration" in subsets)
    triplets = np.concatenate([rows for rows, _ in parts])
    ids = NumberedIds.joined([names for _, names in parts])
    starts = np.cumsum([0, *(len(rows) for rows, _ in parts)])
    chosen = []
    for subset, start, (rows, _) in zip(subsets, starts, parts, strict=False):
        by_triplet = subset.startswith("testset")  # few triplets, judged again and again
        clusters, objects = (distinct_triplets(rows), rows) if by_triplet else (rows, None)
        chosen.append(Subset(subset, np.arange(start, start + len(rows)), clusters, objects))
    return odd_one_out("things", FileImages(folder, tuple(names)), triplets, ids, tuple(chosen))


def odd_one_out(
    dataset: str, images: ImageSource, triplets: Indices, ids: Sequence[str], subsets: tuple[Subset, ...]
) -> Judgments:
    """Make judgments from triplets whose third image is the odd one.

    Args:
        dataset: Name of the data set.
        images: The pictures.
        triplets: Object numbers, (N, 3).
        ids: A name for each triplet.
        subsets: Judgments that are scored together.
    """
    pairs, judged = unique_pairs(triplets.take([0, 1, 0, 2, 1, 2], axis=1).reshape(-1, 3, 2))
    return Judgments(
        dataset=dataset,
        level="high",
        kind="choice",
        images=images,
        pairs=pairs,
        judged=judged,
        human=np.zeros(len(triplets)),
        ids=ids,
        subsets=subsets,
    ).used()


def distinct_triplets(triplets: Indices) -> Indices:
    """Number the unordered triplets, (N, 1): the order of the columns says who was odd, and repeats share a number."""
    _, number = np.unique(np.sort(triplets, axis=1), axis=0, return_inverse=True)
    return number.reshape(-1, 1)


# ----------------------------------------------------------------------------------------------- triplets


class _TripletFiles:
    """The triplet files below a root; a split is read once.

    Args:
        root: Folder of the data set.
        objects: How many objects there are.
    """

    def __init__(self, root: Path, objects: int) -> None:
        self._root, self._objects = root, objects
        self._places = [root / folder for folder in TRIPLET_FOLDERS]
        self._splits: dict[str, tuple[Path, Indices]] = {}

    def triplets(self, subset: str) -> tuple[Indices, NumberedIds]:
        """Triplets (N, 3) with the odd one last, and a name for each."""
        if subset == "calibration":
            if not self._paths(_TRAINING):
                raise DataError(
                    f"trainset.txt is missing under {self._root}, and the corrected protocol fits the channel means on "
                    "it: put it there or under triplets/, or measure with --protocol paper"
                )
            rows, ids = self._split(_TRAINING)
            drawn = np.sort(np.random.default_rng(0).choice(len(rows), min(_CALIBRATION, len(rows)), replace=False))
            return rows[drawn], ids.select(drawn)
        if subset == "all":
            tables = [table for place in self._places if (table := place / _TABLE).exists()]
            if tables:
                return _numbered(subset, _agreed(tables, read_table, self._objects))
            splits = [split for split in _SPLITS if self._paths(split)]
            if not splits:
                raise DataError(f"{self._root} has no triplet file: put testset1.txt there or under triplets/")
            parts = [self._split(split) for split in splits]
            return np.concatenate([rows for rows, _ in parts]), NumberedIds.joined([ids for _, ids in parts])
        return self._split(subset)

    def check_together(self, calibrated: bool) -> None:
        """Hold the splits that were read against each other.

        Args:
            calibrated: Whether channel means are fitted on one of them, so that the others should share little with it.

        Raises:
            DataError: If one holds another.
        """
        refuse_copied_splits(dict(self._splits.values()), self._objects)
        for split, found in self._splits.items():
            if calibrated and split != _TRAINING:
                warn_of_calibrating_rows(found, self._splits[_TRAINING], self._objects)

    def _split(self, split: str) -> tuple[Indices, NumberedIds]:
        if split not in self._splits:
            paths = self._paths(split)
            if not paths:
                raise DataError(f"{split}.txt is missing under {self._root}: put it there or under triplets/")
            self._splits[split] = (paths[0], _agreed(paths, read_triplets, self._objects))
        return _numbered(split, self._splits[split][1])

    def _paths(self, split: str) -> list[Path]:
        files = (place / f"{split}{suffix}" for place in self._places for suffix in (".txt", ".npy"))
        return [path for path in files if path.exists()]


def _numbered(file: str, rows: Indices) -> tuple[Indices, NumberedIds]:
    return rows, NumberedIds.of(file, np.arange(len(rows)))


def _agreed(paths: list[Path], reader: Callable[[Path, int], Indices], objects: int) -> Indices:
    """What the files of one name hold, which may lie in several places, but must not differ."""
    rows = reader(paths[0], objects)
    for path in paths[1:]:
        if not path.samefile(paths[0]) and not np.array_equal(reader(path, objects), rows):
            raise DataError(f"{paths[0]} and {path} hold other triplets: leave the one that is meant")
    return rows


THINGS = DataSet(
    name="things",
    level="high",
    kind="choice",
    summary="odd-one-out choices among 1,854 object concepts",
    home="https://things-initiative.org (images and odd-one-out triplets)",
    terms="research use, under the licences stated there",
    default_subset="testset1",
    subsets=(*_SPLITS, "all"),
    read=read,
    complete=15_640,
    common_side=224,
    corrected=Corrected(("testset1", "validationset"), "calibration"),
    published_ceiling=0.6767,
    counts={"validationset": 453_642},
    concept=concept_of,
)
