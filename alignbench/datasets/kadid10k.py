"""KADID-10k (low level): 81 references x 25 distortions x 5 levels, each with a mean rating.

Lin, Hosu and Saupe, "KADID-10k: A Large-scale Artificially Distorted IQA Database", QoMEX 2019. On disk: `dmos.csv` and
`images/I01.png`, `images/I01_01_01.png`; the columns are read by name. The column `dmos` is a mean of ratings of how
close the two pictures look, so higher is better, whatever its name.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.rated_distortions import FilesInAnyCase, Rating, rated_distortions
from alignbench.datasets.tables import Repeats, table_rows
from alignbench.errors import DataError

_DISTORTED = re.compile(r"(i\d{1,9})_(\d{1,9})_(\d{1,9})\.png")
_COLUMNS = ("dist_img", "ref_img", "dmos")
_DISTORTIONS = 25


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
    rows = list(table_rows(path, _COLUMNS))
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
    if match is None:
        raise DataError(f"{where}, dist_img: expected a name like I01_02_03.png, found '{distorted[:40]}'")
    if reference.lower() != f"{match[1]}.png":
        raise DataError(f"{where}: {distorted} is no distortion of '{reference[:40]}': download it again")
    try:
        score = float(rated)
    except ValueError:
        score = float("nan")
    if not np.isfinite(score):
        raise DataError(f"{where}, dmos: expected a finite number, found '{rated[:20]}'")
    original, changed = images.path(reference), images.path(distorted)
    numbers = (int(match[1].removeprefix("i")), int(match[2]), int(match[3]))
    return Rating(distorted.lower(), original, changed, score, numbers)


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
)
