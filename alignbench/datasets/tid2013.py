"""TID2013 (low level): 25 references x 24 distortions x 5 levels, each with a mean opinion score.

Ponomarenko et al., "Image database TID2013: Peculiarities, results and perspectives", 2015. On disk:
`reference_images/I01.BMP`, `distorted_images/i01_01_1.bmp`, `mos_with_names.txt`, with inconsistent letter case.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import DataSet, Judgments, Subset, root_folder, unique_pairs
from alignbench.errors import DataError, unknown

_NAME = re.compile(r"i(\d+)_(\d+)_(\d+)\.bmp", re.IGNORECASE)
_DISTORTIONS = 24


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """The ratings of TID2013; the reference of a pair is parsed from the name of its distorted image.

    Args:
        root: Folder that holds `mos_with_names.txt`.
        subsets: `all`, or `distortion_01` to `distortion_24`.
    """
    folder = root_folder("tid2013", root)
    rows = _read_scores(folder / "mos_with_names.txt")
    files = {part: _files_by_lower_case(folder, part) for part in ("reference_images", "distorted_images")}
    wanted: dict[str, int] = {}
    ends = []
    for _, name in rows:
        match = _NAME.fullmatch(name)
        assert match is not None
        reference = f"i{match[1]}.bmp"
        pair = []
        for part, file in (("reference_images", reference), ("distorted_images", name.lower())):
            path = f"{part}/{files[part].get(file, file)}"
            pair.append(wanted.setdefault(path, len(wanted)))
        ends.append([pair])
    pairs, judged = unique_pairs(np.array(ends, dtype=np.int64))
    parsed = np.array([[int(part) for part in re.findall(r"\d+", name)] for _, name in rows], dtype=np.int64)
    chosen = []
    for subset in subsets:
        kept = np.arange(len(rows))
        if subset != "all":
            number = re.fullmatch(r"distortion_(\d\d)", subset)
            if number is None or not 1 <= int(number[1]) <= _DISTORTIONS:
                names = ["all", *(f"distortion_{d:02d}" for d in range(1, _DISTORTIONS + 1))]
                raise unknown("subset of tid2013", subset, names)
            kept = np.flatnonzero(parsed[:, 1] == int(number[1]))
            if not len(kept):
                raise DataError(f"{folder / 'mos_with_names.txt'} has no rating of {subset}")
        chosen.append(Subset(subset, kept, parsed[kept, :1]))
    return Judgments(
        dataset="tid2013",
        level="low",
        kind="rating",
        images=FileImages(folder, tuple(wanted)),
        pairs=pairs,
        judged=judged,
        human=np.array([score for score, _ in rows]),
        ids=tuple(name.lower() for _, name in rows),
        subsets=tuple(chosen),
    ).used()


def _read_scores(path: Path) -> list[tuple[float, str]]:
    if not path.is_file():
        raise DataError(f"{path} is missing: --data-root must name the folder that holds it")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.split()
        try:
            score = float(parts[0])
            name = parts[1]
        except (ValueError, IndexError):
            score, name = float("nan"), ""
        if len(parts) != 2 or not _NAME.fullmatch(name):
            raise DataError(f"{path}, line {number}: expected 'SCORE iRR_DD_L.bmp', found '{line.strip()[:60]}'")
        if not np.isfinite(score):
            raise DataError(
                f"{path}, line {number}: the score {parts[0]} is not a finite number: download the file again"
            )
        rows.append((score, name))
    if not rows:
        raise DataError(f"{path} holds no ratings: download it again")
    return rows


def _files_by_lower_case(root: Path, part: str) -> dict[str, str]:
    folder = root / part
    if not folder.is_dir():
        raise DataError(f"{folder} is missing: --data-root must name the folder that holds it")
    return {entry.name.lower(): entry.name for entry in folder.iterdir()}


TID2013 = DataSet(
    name="tid2013",
    level="low",
    kind="rating",
    summary="3,000 distorted images rated for similarity to their 25 references",
    home="https://www.ponomarenko.info/tid2013.htm",
    terms="free for research, cite the paper",
    default_subset="all",
    subsets=("all", "distortion_01 .. distortion_24"),
    read=read,
    complete=3_000,
)
