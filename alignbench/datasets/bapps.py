"""BAPPS (low level): which of two distorted patches looks closer to a reference, as a share of the people asked.

Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018. On disk: `2afc/val/TYPE/{ref,p0,p1}/NNNNNN.png` and `judge/NNNNNN.npy`, the share of people who preferred p1 (of
five in `val`, of two in `train`). The authors' own metrics see the pictures at 64 x 64 pixels.
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.datasets.tables import file_bytes
from alignbench.errors import AlignbenchWarning, DataError, unknown
from alignbench.files import UNREADABLE

_TYPES = {
    "val": ("traditional", "cnn", "superres", "deblur", "color", "frameinterp"),
    "train": ("traditional", "cnn", "mix"),
}
_SUBSETS = tuple(name for split, types in _TYPES.items() for name in (split, *(f"{split}-{kind}" for kind in types)))
_SIDES = ("ref", "p0", "p1")
_PEOPLE = {"val": 5, "train": 2}  # who judged each triplet
_TOLERANCE = 0.01  # in people, as shares may be stored with few digits
_NUMBER = re.compile(r"[0-9]{6}|[1-9][0-9]{6,}")


@dataclass(frozen=True)
class _JudgedPatches:
    number: str
    share: float  # of people who preferred p1
    pictures: tuple[str, ...]  # reference, p0, p1; relative to the folder of its type


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the preferences of BAPPS; the options of a judgment are (ref, p0) and (ref, p1).

    Args:
        root: Folder that holds `2afc`, or `dataset/2afc`.
        subsets: `val` and `train` (every type), `val-traditional`, `val-cnn`, `val-superres`, `val-deblur`,
            `val-color`, `val-frameinterp`, `train-traditional`, `train-cnn`, `train-mix`.

    Raises:
        UsageError: If a subset is unknown (names the nearest), or no root was given.
        DataError: If files are missing or malformed; names the place.
    """
    for subset in subsets:
        if subset not in _SUBSETS:
            raise unknown("subset of bapps", subset, _SUBSETS)
    folder = root_folder("bapps", root)
    base = _base(folder)
    judged = [
        (split, kind, triplet)
        for split, kind in _groups(folder / base, subsets)
        for triplet in _read_triplets(folder / base / split / kind)
    ]
    places = np.array([(split, f"{split}-{kind}", f"type_{kind}") for split, kind, _ in judged])
    triplets = np.arange(3 * len(judged)).reshape(-1, 3)  # every triplet has three pictures of its own
    pairs, options = unique_pairs(np.stack([triplets[:, [0, 1]], triplets[:, [0, 2]]], axis=1))
    images = [f"{base}/{split}/{kind}/{picture}" for split, kind, triplet in judged for picture in triplet.pictures]
    return Judgments(
        dataset="bapps",
        level="low",
        kind="preference",
        images=FileImages(folder, tuple(images)),
        pairs=pairs,
        judged=options,
        human=np.array([triplet.share for _, _, triplet in judged]),
        ids=tuple(f"{split}/{kind}/{triplet.number}" for split, kind, triplet in judged),
        subsets=tuple(_subset(name, places) for name in subsets),
        parts=tuple(_subset(name, places) for name in dict.fromkeys(places[:, 2].tolist())),
    ).used()


def _base(folder: Path) -> str:
    """The folder `2afc` relative to the root."""
    found = [name for name in ("2afc", "dataset/2afc") if (folder / name).is_dir()]
    if not found:
        raise DataError(f"{folder} has no folder 2afc: --data-root must name the folder that holds it")
    if len(found) > 1 and not (folder / found[0]).samefile(folder / found[1]):
        raise DataError(f"{folder} holds both {' and '.join(found)}: leave the one that is meant")
    return found[0]


def _subset(name: str, places: NDArray[np.str_]) -> Subset:
    rows = np.flatnonzero((places == name).any(axis=1))
    return Subset(name, rows, rows[:, None])


def _groups(folder: Path, subsets: tuple[str, ...]) -> list[tuple[str, str]]:
    """The splits and types that the subsets take in, as far as their folders are there."""
    groups = []
    for split, types in _TYPES.items():
        wanted = [kind for kind in types if split in subsets or f"{split}-{kind}" in subsets]
        present = [kind for kind in wanted if (folder / split / kind).is_dir()]
        missing = [kind for kind in wanted if kind not in present]
        needed = [kind for kind in missing if not present or f"{split}-{kind}" in subsets]
        if needed:
            use = ", on which the corrected protocol fits channel means" if split == "train" else ""
            raise DataError(f"{folder / split / needed[0]} is missing{use}: complete the download")
        if missing:
            warnings.warn(
                f"bapps {split} is here without {', '.join(missing)}: only a part of it is measured",
                AlignbenchWarning,
                stacklevel=3,
            )
        groups += [(split, kind) for kind in present]
    return groups


def _read_triplets(folder: Path) -> list[_JudgedPatches]:
    """Read the triplets of a split and type, by their numbers."""
    judged = _numbered_files(folder / "judge", ".npy")
    pictures = {side: _numbered_files(folder / side, ".png") for side in _SIDES}
    if not judged:
        raise DataError(f"{folder / 'judge'} holds no judgments: complete the download")
    unjudged = sorted(set[str]().union(*pictures.values()) - judged.keys())
    if unjudged:
        raise DataError(f"{folder}/judge/{unjudged[0]}.npy is missing, and its pictures are not: complete the download")
    triplets = [
        _JudgedPatches(
            number,
            _read_share(folder / "judge" / judged[number]),
            tuple(f"{side}/{pictures[side].get(number, f'{number}.png')}" for side in _SIDES),
        )
        for number in sorted(judged)
    ]
    people = _PEOPLE[folder.parent.name]
    odd = [each for each in triplets if abs(people * each.share - round(people * each.share)) > _TOLERANCE]
    if odd:
        warnings.warn(
            f"{folder}/judge/{judged[odd[0].number]} holds {odd[0].share:g} ({len(odd):,} such in all), which is no "
            f"share of {people} people: {people} judged each triplet of {folder.parent.name} as it was published",
            AlignbenchWarning,
            stacklevel=3,
        )
    return triplets


def _numbered_files(folder: Path, suffix: str) -> dict[str, str]:
    """The files of a folder with a suffix in any letter case, by their numbers, which have six digits."""
    if not folder.is_dir():
        raise DataError(f"{folder} is missing: complete the download")
    found: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        stem, ending = os.path.splitext(name)
        if ending.lower() != suffix or name.startswith("."):
            continue
        if not _NUMBER.fullmatch(stem):
            raise DataError(f"{folder / name}: expected a name like 000123{suffix}: rename it, or take it out")
        if found.setdefault(stem, name) != name:
            raise DataError(f"{folder} holds {found[stem]} and {name}: leave the one that was published")
    return found


def _read_share(path: Path) -> float:
    content = file_bytes(path, "complete the download")
    header = content[: 10 + int.from_bytes(content[8:10], "little")]
    try:
        share = float(np.frombuffer(content, _number_type(header), count=1, offset=len(header))[0])
    except UNREADABLE as error:
        raise DataError(f"{path} does not hold one number ({error}): download it again") from error
    if len(content) > len(header) + _number_type(header).itemsize:
        raise DataError(f"{path} goes on behind its number: download it again")
    if not 0.0 <= share <= 1.0:
        raise DataError(f"{path}: the share {share:g} is not from 0 to 1: download it again")
    return share


@lru_cache(maxsize=8)
def _number_type(header: bytes) -> np.dtype[Any]:
    """The type of the one number that follows a header; kept, as parsing is slow and all files have the same header."""
    if not header.startswith(b"\x93NUMPY\x01"):
        raise ValueError("no .npy file")
    shaped = np.load(BytesIO(header + bytes(16)), allow_pickle=False)
    if shaped.size != 1 or shaped.dtype.kind not in "fiu":
        raise ValueError(f"shape {shaped.shape} of {shaped.dtype}")
    number_type: np.dtype[Any] = shaped.dtype
    return number_type


BAPPS = DataSet(
    name="bapps",
    level="low",
    kind="preference",
    summary="about 36,300 triplets: which of two distorted patches looks closer to the original",
    home="https://github.com/richzhang/PerceptualSimilarity (scripts/download_dataset.sh)",
    terms="its repository is under the BSD 2-Clause licence; cite the paper",
    default_subset="val",
    subsets=_SUBSETS,
    read=read,
    common_side=64,
    corrected=Corrected(("val",), "train"),
)
