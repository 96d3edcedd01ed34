"""KADID-10k (low level): 81 references x 25 distortions x 5 levels, each with a mean rating.

Lin, Hosu and Saupe, "KADID-10k: A Large-scale Artificially Distorted IQA Database", QoMEX 2019. On disk: `dmos.csv` and
`images/I01.png`, `images/I01_01_01.png`; the columns are read by name. The column `dmos` is a mean of ratings of how
close the two pictures look, so higher is better, whatever its name. The column `var`, which noise ceilings are made
from, is taken for the variance of the single ratings of a picture, 30 of them: the files do not say so.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.rated_distortions import (
    LEVELS,
    FilesInAnyCase,
    Rating,
    published_numbers,
    rated_distortions,
    read_rating,
)
from alignbench.datasets.tables import Repeats, number, table_rows
from alignbench.errors import DataError

# one spelling of each number, so that no picture is rated under two names
_DISTORTED = re.compile(r"i([0-9]{2}|[1-9][0-9]{2,8})_([0-9]{2})_([0-9]{2})\.png", re.ASCII)
_COLUMNS = ("dist_img", "ref_img", "dmos")
_VARIANCE = "var"
_RATERS = 30  # of each picture, as the paper describes the study
_DISTORTIONS = 25
_SCALE = (1, 5)


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the ratings of KADID-10k.

    Args:
        root: Folder that holds `dmos.csv` and `images/`.
        subsets: `all`, `distortion_01` to `distortion_25`, or `level_1` to `level_5`.

    Raises:
        UsageError: If a subset is unknown (names the nearest), or no root was given.
        DataError: If files are missing or malformed; names the place.
    """
    folder = root_folder("kadid10k", root)
    table = folder / "dmos.csv"
    return rated_distortions("kadid10k", table, _read_ratings(table), subsets, _DISTORTIONS)


def _read_ratings(path: Path) -> list[Rating]:
    rows = list(table_rows(path, _COLUMNS, optional=(_VARIANCE,)))
    images = FilesInAnyCase(path.parent, "images")
    repeats = Repeats(path)
    ratings = []
    for line, values in rows:
        rating = _parse(values, images, f"{path}, line {line}")
        repeats.check(line, rating.id, f"{values['dist_img']} is rated")
        ratings.append(rating)
    if not ratings:
        raise DataError(f"{path} holds no ratings: download it again")
    return ratings


def _parse(values: dict[str, str], images: FilesInAnyCase, where: str) -> Rating:
    distorted, reference, rated = (values[name] for name in _COLUMNS)
    match = _DISTORTED.fullmatch(distorted.lower())
    numbers = published_numbers(match, _DISTORTIONS)
    if match is None or numbers is None:
        raise DataError(
            f"{where}, dist_img: expected a name like I01_02_03.png, with distortion 01 to {_DISTORTIONS} and level 01 "
            f"to {LEVELS:02d}, found '{distorted[:40]}'"
        )
    if reference.lower() != f"i{match[1]}.png":
        raise DataError(f"{where}: {distorted} is no distortion of '{reference[:40]}': download it again")
    score = read_rating(rated, _SCALE, f"{where}, dmos")
    error = _standard_error(values[_VARIANCE], where) if _VARIANCE in values else None
    return Rating(distorted.lower(), images.path(reference), images.path(distorted), score, numbers, error)


def _standard_error(variance: str, where: str) -> float:
    """The standard error of a mean of `_RATERS` ratings from their variance."""
    squared = number(variance)
    if not squared >= 0.0:
        raise DataError(
            f"{where}, {_VARIANCE}: expected a variance of 0 or more, found '{variance[:20]}': download the file "
            "again, or leave the column out to measure without noise ceilings"
        )
    return math.sqrt(squared / _RATERS)


KADID10K = DataSet(
    name="kadid10k",
    level="low",
    kind="rating",
    summary="10,125 distorted images rated for similarity to their 81 references",
    home="https://database.mmsp-kn.de/kadid-10k-database.html",
    terms="free for research, cite the paper",
    default_subset="all",
    subsets=("all", "distortion_01 .. distortion_25", "level_1 .. level_5"),
    read=read,
    complete=10_125,
    corrected=Corrected(("all",)),
    ceiling_note="dmos.csv has no column var, the variance of the single ratings of each picture: download it again",
)
