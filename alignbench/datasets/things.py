"""THINGS (high level): which of three objects is the odd one out.

Hebart et al., "THINGS" (2019) and "THINGS-data" (2023). Images: one folder for each of 1,854 concepts, or flat files.
Triplets: text files (or `.npy`) of 0-based object numbers, the third the odd one; or the full table, 1-based, with
a column `choice`. Objects are numbered in the order of `unique_id.txt`, which is not alphabetical.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from alignbench.datasets.images import FileImages, Indices
from alignbench.datasets.judgments import Corrected, DataSet, Judgments, Subset, root_folder, unique_pairs
from alignbench.errors import AlignbenchWarning, DataError, UsageError, unknown

_SPLITS = ("testset1", "validationset", "trainset", "testset2", "testset3")
_IMAGE_FOLDERS = ("images", "object_images", "Images")
_TRIPLET_FOLDERS = (".", "triplets", "triplet_dataset", "data/triplet_dataset")
_TABLE = "triplets_large_final_correctednc_correctedorder.csv"
_CALIBRATION = 10_000
_SUFFIXES = (".jpg", ".jpeg", ".png")


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """The odd-one-out choices of THINGS; option 0 of every judgment is the pair that people kept.

    Args:
        root: Folder with the images and the triplet files.
        subsets: `testset1` (the paper's: about 1,000 triplets judged about 16 times each), `validationset`,
            `trainset`, `testset2`, `testset3`; `all`: the full table if it is there, else every split that is; or
            `calibration`: 10,000 rows of `trainset`, drawn with seed 0.
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
    parts = [_triplets(folder, subset, len(names)) for subset in subsets]
    triplets = np.concatenate([rows for rows, _ in parts])
    ids = [name for _, part in parts for name in part]
    starts = np.cumsum([0, *(len(rows) for rows, _ in parts)])
    chosen = []
    for subset, start, (rows, _) in zip(subsets, starts, parts, strict=False):
        by_triplet = subset.startswith("testset")  # few triplets, judged again and again
        chosen.append(
            Subset(subset, np.arange(start, start + len(rows)), distinct_triplets(rows) if by_triplet else rows)
        )
    return odd_one_out("things", FileImages(folder, tuple(names)), triplets, ids, tuple(chosen))


def odd_one_out(
    dataset: str, images: FileImages, triplets: Indices, ids: list[str], subsets: tuple[Subset, ...]
) -> Judgments:
    """Judgments from triplets whose third image is the odd one.

    Args:
        dataset: Name of the data set.
        images: One picture an object.
        triplets: Object numbers, (N, 3).
        ids: A name for each triplet.
        subsets: Which are scored together.
    """
    ends = np.stack([triplets[:, [0, 1]], triplets[:, [0, 2]], triplets[:, [1, 2]]], axis=1)
    pairs, judged = unique_pairs(ends)
    return Judgments(
        dataset=dataset,
        level="high",
        kind="choice",
        images=images,
        pairs=pairs,
        judged=judged,
        human=np.zeros(len(triplets)),
        ids=tuple(ids),
        subsets=subsets,
    ).used()


def distinct_triplets(triplets: Indices) -> Indices:
    """Number the unordered triplets, (N, 1): the order of the columns says who was odd, and repeats share a number."""
    _, number = np.unique(np.sort(triplets, axis=1), axis=0, return_inverse=True)
    return number.reshape(-1, 1)


# ------------------------------------------------------------------------------------------------ objects


def object_images(root: Path) -> list[str]:
    """The picture of each object, in the order of the objects, relative to the root.

    An object whose folder is missing keeps its place, so that it is reported only if a triplet names it.
    """
    folder = next((root / name for name in _IMAGE_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(f"{root} has none of the image folders {', '.join(_IMAGE_FOLDERS)}: check --data-root")
    found: dict[str, str] = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.is_dir():
            pictures = sorted(p.name for p in entry.iterdir() if _is_picture(p))
            if pictures:
                found[entry.name] = f"{folder.name}/{entry.name}/{pictures[0]}"
        elif _is_picture(entry):
            found[entry.stem] = f"{folder.name}/{entry.name}"
    if not found:
        raise DataError(f"{folder} holds no pictures: download the THINGS images there")
    order = _object_order(root)
    if order is None:
        warnings.warn(
            f"{root} has neither unique_id.txt nor things_concepts.tsv: objects are taken in sorted() order, "
            "which differs from THINGS' own for 20 of its 1,854 objects",
            AlignbenchWarning,
            stacklevel=2,
        )
        order = sorted(found)
    return [found.get(name, f"{folder.name}/{name}") for name in order]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _object_order(root: Path) -> list[str] | None:
    folders = dict.fromkeys((*_TRIPLET_FOLDERS, "data", *_IMAGE_FOLDERS))
    for place in (root / folder for folder in folders):
        listed = place / "unique_id.txt"
        if listed.is_file():
            try:
                text = listed.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{listed} is not a text file: download it again") from error
            return [line.strip() for line in text.splitlines() if line.strip()]
        concepts = place / "things_concepts.tsv"
        if concepts.is_file():
            try:
                table = pd.read_csv(concepts, sep="\t", dtype=str, keep_default_na=False)
            except ValueError as error:
                raise DataError(f"{concepts} cannot be read ({error}): download it again") from error
            if "uniqueID" not in table.columns:
                raise DataError(f"{concepts} has no column uniqueID: download it again")
            return [str(name) for name in table["uniqueID"]]
    return None


# ----------------------------------------------------------------------------------------------- triplets


def _triplets(root: Path, subset: str, objects: int) -> tuple[Indices, list[str]]:
    """Triplets (N, 3) with the odd one last, and a name for each."""
    places = [root / folder for folder in _TRIPLET_FOLDERS]
    if subset == "calibration":
        if _split_file(places, "trainset") is None:
            raise DataError(
                f"trainset.txt is missing under {root}, and the corrected protocol fits the channel means on it: "
                "put it there or under triplets/, or measure with --protocol paper"
            )
        rows, names = _triplets(root, "trainset", objects)
        drawn = np.random.default_rng(0).choice(len(rows), min(_CALIBRATION, len(rows)), replace=False)
        return rows[np.sort(drawn)], [names[row] for row in np.sort(drawn)]
    if subset == "all":
        table = next((place / _TABLE for place in places if (place / _TABLE).is_file()), None)
        if table is not None:
            rows = _read_table(table, objects)
            return rows, [f"all:{row}" for row in range(len(rows))]
        there = [split for split in _SPLITS if _split_file(places, split) is not None]
        if not there:
            raise DataError(f"{root} has no triplet file: put testset1.txt there or under triplets/")
        parts = [_triplets(root, split, objects) for split in there]
        return np.concatenate([rows for rows, _ in parts]), [name for _, names in parts for name in names]
    path = _split_file(places, subset)
    if path is None:
        raise DataError(f"{subset}.txt is missing under {root}: put it there or under triplets/")
    rows = _read_split(path, objects)
    return rows, [f"{subset}:{row}" for row in range(len(rows))]


def _split_file(places: list[Path], split: str) -> Path | None:
    candidates = (place / f"{split}{suffix}" for place in places for suffix in (".txt", ".npy"))
    return next((path for path in candidates if path.is_file()), None)


def _read_split(path: Path, objects: int) -> Indices:
    if path.suffix == ".npy":
        try:
            rows = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"{path} is not a plain .npy array: download it again") from error
        if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iuf":
            raise DataError(f"{path} does not hold an array of numbers: download it again")
        if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
            raise DataError(f"{path}: expected numbers of shape (N, 3), found shape {rows.shape}")
        if not np.array_equal(rows, np.trunc(rows)):
            raise DataError(f"{path} holds numbers that are not whole: download it again")
        return _checked(rows.astype(np.int64), objects, 0, lambda row: f"{path}, row {row}")
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    numbers = [number for number, line in enumerate(lines, start=1) if line.strip()]
    try:
        rows = np.array(text.split(), dtype=np.int64).reshape(len(numbers), 3)
        even = all(len(lines[number - 1].split()) == 3 for number in numbers)
    except (ValueError, OverflowError):
        even = False
    if not even:
        raise DataError(f"{path}, line {_bad_line(lines)}: expected three whole numbers")
    if not len(rows):
        raise DataError(f"{path} holds no triplets: download it again")
    return _checked(rows, objects, 0, lambda row: f"{path}, line {numbers[row]}")


def _fits(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False


def _bad_line(lines: list[str]) -> int:
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if parts and not (len(parts) == 3 and all(_fits(part) for part in parts)):
            return number
    return len(lines)


def _read_table(path: Path, objects: int) -> Indices:
    """The full table: 1-based `image1`..`image3`, and `choice` names the odd one among them."""
    columns = ["image1", "image2", "image3", "choice"]
    try:
        table = pd.read_csv(path, sep="\t", usecols=columns)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    values = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(values).all(axis=1) | (values != np.trunc(values)).any(axis=1)
    bad |= (values[:, 3] < 1) | (values[:, 3] > 3)
    if bad.any():
        raise DataError(f"{path}, line {int(np.argmax(bad)) + 2}: expected three object numbers and a choice 1 to 3")
    rows = values.astype(np.int64)
    odd = rows[:, 3] - 1
    others = np.array([[1, 2], [0, 2], [0, 1]])[odd]
    columns_odd_last = np.concatenate([others, odd[:, None]], axis=1)
    triplets = np.take_along_axis(rows[:, :3], columns_odd_last, axis=1) - 1
    return _checked(triplets, objects, 1, lambda row: f"{path}, line {row + 2}")


def _checked(rows: Indices, objects: int, base: int, where: Callable[[int], str]) -> Indices:
    outside = ((rows < 0) | (rows >= objects)).any(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        worst = next(int(v) for v in rows[row] if not 0 <= v < objects) + base
        raise DataError(f"{where(row)}: object {worst} is out of range {base} to {objects - 1 + base}")
    twice = (rows[:, 0] == rows[:, 1]) | (rows[:, 0] == rows[:, 2]) | (rows[:, 1] == rows[:, 2])
    if twice.any():
        raise DataError(f"{where(int(np.argmax(twice)))}: the triplet names an object twice: download the file again")
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
)
