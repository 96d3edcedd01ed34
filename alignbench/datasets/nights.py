"""NIGHTS (middle level): 20,019 triplets, which of two variations looks closer to a reference.

Fu, Tamir, Sundaram et al., "DreamSim", NeurIPS 2023. On disk: `data.csv`, `ref/NNN/NNN.png`,
`distort/NNN/NNN_{0,1}.png`; the columns are read by name, the paths are relative to the root.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from posixpath import normpath

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.datasets.tables import Repeats, number, path_below, table_rows
from alignbench.errors import AlignbenchWarning, DataError, unknown

_MOST_VOTES = 1_000_000
_COLUMNS = ("id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "split", "is_imagenet")
_SUBSETS = ("all", "train", "val", "test", "test-imagenet", "test-no-imagenet")
_FEWEST_VOTES = 6
_CALIBRATION = 1000
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class _TripletRow:
    id: str
    paths: tuple[str, str, str]  # reference, left, right
    right: bool
    votes: int
    split: str
    imagenet: bool


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the votes of NIGHTS; the options of a judgment are (reference, left) and (reference, right).

    Args:
        root: Folder that holds `data.csv`.
        subsets: `all` (train, val and test, as in the paper), `train`, `val`, `test`, `test-imagenet`,
            `test-no-imagenet`; or `calibration`, 1,000 triplets of `train` with 6 votes or more, drawn with seed 0.

    Raises:
        UsageError: If a subset is unknown (names the nearest), or no root was given.
        DataError: If files are missing or malformed; names the place.
    """
    for subset in subsets:
        if subset not in (*_SUBSETS, "calibration"):
            raise unknown("subset of nights", subset, _SUBSETS)
    folder = root_folder("nights", root)
    rows = _read_rows(folder / "data.csv")
    numbers: dict[str, int] = {}  # of the pictures, in the order in which they first occur
    triplets = np.array([[numbers.setdefault(path, len(numbers)) for path in row.paths] for row in rows])
    pairs, judged = unique_pairs(np.stack([triplets[:, [0, 1]], triplets[:, [0, 2]]], axis=1))
    chosen = []
    for subset in subsets:
        kept = _calibration(rows) if subset == "calibration" else _select_rows(subset, rows)
        if not len(kept) and subset == "calibration":
            raise DataError(
                f"{folder / 'data.csv'} has no triplet of the train split with {_FEWEST_VOTES} votes or more, on which "
                "the corrected protocol fits the channel means: complete it, or measure with --protocol paper"
            )
        if not len(kept):
            raise DataError(f"{folder / 'data.csv'} has no row of subset {subset}")
        chosen.append(Subset(subset, kept, kept[:, None]))
    votes = np.array([row.votes for row in rows])
    by_votes = [(f"votes_{count:02d}", np.flatnonzero(votes == count)) for count in np.unique(votes)]
    return Judgments(
        dataset="nights",
        level="middle",
        kind="choice",
        images=FileImages(folder, tuple(numbers)),
        pairs=pairs,
        judged=judged,
        human=np.array([float(row.right) for row in rows]),
        ids=tuple(row.id for row in rows),
        subsets=tuple(chosen),
        parts=tuple(Subset(name, kept, kept[:, None]) for name, kept in by_votes),
        votes=votes,
    ).used()


def _calibration(rows: list[_TripletRow]) -> Indices:
    trusted = np.array([i for i in _select_rows("train", rows) if rows[i].votes >= _FEWEST_VOTES], dtype=np.int64)
    count = min(_CALIBRATION, len(trusted))
    return np.sort(np.random.default_rng(0).choice(trusted, count, replace=False))


def _select_rows(subset: str, rows: list[_TripletRow]) -> Indices:
    split, _, half = subset.partition("-")
    kept = [
        index
        for index, row in enumerate(rows)
        if split in ("all", row.split) and (not half or row.imagenet == (half == "imagenet"))
    ]
    return np.array(kept, dtype=np.int64)


def _read_rows(path: Path) -> list[_TripletRow]:
    rows = []
    repeats = Repeats(path)
    lines: dict[str, int] = {}  # where a picture is first named
    shared: list[tuple[str, int]] = []
    for line, fields in table_rows(path, _COLUMNS):
        row = _parse(fields, f"{path}, line {line}")
        key = row.id if math.isnan(number(row.id)) else Decimal(row.id)  # 7, 07 and 7.0 are one id
        repeats.check(line, key, f"id {row.id[:40]} is there")
        reference, *sides = map(normpath, row.paths)
        repeats.check(line, (reference, frozenset(sides)), f"the triplet of {reference} is judged")
        shared += [(picture, line) for picture in (reference, *sides) if lines.setdefault(picture, line) != line]
        rows.append(row)
    if not rows:
        raise DataError(f"{path} holds no triplets: download it again")
    if shared:
        picture, line = shared[0]
        warnings.warn(
            f"{path}, line {line}: {picture} is in the triplet of line {lines[picture]} too ({len(shared):,} such in "
            "all): in NIGHTS a picture belongs to one triplet, and intervals take triplets for independent",
            AlignbenchWarning,
            stacklevel=3,
        )
    return rows


def _parse(fields: dict[str, str], where: str) -> _TripletRow:
    empty = [name for name in _COLUMNS if not fields[name]]
    if empty:
        raise DataError(f"{where}: no value for {', '.join(empty)}: download it again")
    left_vote, right_vote = (_count(fields[name], 1, f"{where}, {name}") for name in ("left_vote", "right_vote"))
    if left_vote == right_vote:
        raise DataError(f"{where}: exactly one of left_vote and right_vote must be 1")
    votes = _count(fields["votes"], _MOST_VOTES, f"{where}, votes")
    if fields["split"] not in _SPLITS:
        raise DataError(f"{where}, split: expected {', '.join(_SPLITS)}, found '{fields['split'][:20]}'")
    reference, left, right = (path_below(fields[name], where) for name in ("ref_path", "left_path", "right_path"))
    paths = (reference, left, right)
    if len(set(map(normpath, paths))) < 3:
        raise DataError(f"{where}: the triplet names an image twice: download it again")
    imagenet = _flag(fields["is_imagenet"], f"{where}, is_imagenet")
    return _TripletRow(fields["id"], paths, bool(right_vote), votes, fields["split"], imagenet)


def _flag(text: str, where: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return bool(_count(text, 1, where))


def _count(text: str, most: int, where: str) -> int:
    value = number(text)
    if not (0 <= value <= most and value.is_integer()):  # so that not-a-number is refused too
        raise DataError(f"{where}: expected a whole number from 0 to {most:,}, found '{text[:20]}'")
    return int(value)


NIGHTS = DataSet(
    name="nights",
    level="middle",
    kind="choice",
    summary="20,019 triplets: which of two variations of an image looks closer to it",
    home="https://github.com/ssundaram21/dreamsim (dataset/download_dataset.sh)",
    terms="MIT (the images are synthetic)",
    default_subset="all",
    subsets=_SUBSETS,
    read=read,
    complete=20_019,
    common_side=224,
    corrected=Corrected(
        ("test", "test-imagenet", "test-no-imagenet"), "calibration", _FEWEST_VOTES, counts={"test": 1_824}
    ),
    ceiling_note="not estimable: selected for unanimity",
)
