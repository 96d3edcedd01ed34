"""TID2013 (low level): 25 references x 24 distortions x 5 levels, each with a mean opinion score.

Ponomarenko et al., "Image database TID2013: Peculiarities, results and perspectives", 2015. On disk:
`reference_images/I01.BMP`, `distorted_images/i01_01_1.bmp`, `mos_with_names.txt`, with inconsistent letter case.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.rated_distortions import FilesInAnyCase, Rating, rated_distortions
from alignbench.datasets.tables import Repeats, text_lines
from alignbench.errors import DataError

_NAME = re.compile(r"i(\d{1,9})_(\d{1,9})_(\d{1,9})\.bmp", re.IGNORECASE)
_DISTORTIONS = 24


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the ratings of TID2013; the reference of a pair is parsed from the name of its distorted image.

    Args:
        root: Folder that holds `mos_with_names.txt`.
        subsets: `all`, `distortion_01` to `distortion_24`, or `level_1` to `level_5`.

    Raises:
        UsageError: If a subset is unknown (names the nearest), or no root was given.
        DataError: If files are missing or malformed; names the place.
    """
    folder = root_folder("tid2013", root)
    table = folder / "mos_with_names.txt"
    rows = _read_scores(table)
    references = FilesInAnyCase(folder, "reference_images")
    distorted = FilesInAnyCase(folder, "distorted_images")
    ratings = []
    for score, name in rows:
        match = _NAME.fullmatch(name)
        assert match is not None
        numbers = (int(match[1]), int(match[2]), int(match[3]))
        original, changed = references.path(f"I{match[1]}.BMP"), distorted.path(name)
        ratings.append(Rating(name, original, changed, score, numbers))
    return rated_distortions("tid2013", table, ratings, subsets, _DISTORTIONS)


def _read_scores(path: Path) -> list[tuple[float, str]]:
    rows = []
    repeats = Repeats(path)
    for number, line in enumerate(text_lines(path), start=1):
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
        repeats.check(number, name.lower(), f"{name} is rated")
        rows.append((score, name.lower()))
    if not rows:
        raise DataError(f"{path} holds no ratings: download it again")
    return rows


TID2013 = DataSet(
    name="tid2013",
    level="low",
    kind="rating",
    summary="3,000 distorted images rated for similarity to their 25 references",
    home="https://www.ponomarenko.info/tid2013.htm",
    terms="free for research, cite the paper",
    default_subset="all",
    subsets=("all", "distortion_01 .. distortion_24", "level_1 .. level_5"),
    read=read,
    complete=3_000,
    corrected=Corrected(("all",)),
)
