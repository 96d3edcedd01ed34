"""TID2013 (low level): 25 references x 24 distortions x 5 levels, each with a mean opinion score.

Ponomarenko et al., "Image database TID2013: Peculiarities, results and perspectives", 2015. On disk:
`reference_images/I01.BMP`, `distorted_images/i01_01_1.bmp`, `mos_with_names.txt`, with inconsistent letter case; and
`mos_std.txt`, the standard error of each mean opinion score in the same order, which noise ceilings are made from.
"""

from __future__ import annotations

import re
from dataclasses import replace
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
from alignbench.datasets.tables import Repeats, number, text_lines
from alignbench.errors import DataError

# one spelling of each number, so that no picture is rated under two names
_NAME = re.compile(r"i([0-9]{2}|[1-9][0-9]{2,8})_([0-9]{2})_([0-9])\.bmp", re.ASCII)
_DISTORTIONS = 24
_SCALE = (0, 9)


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
    ratings = _read_ratings(table)
    errors = _read_errors(folder / "mos_std.txt", len(ratings))
    known = [replace(rating, error=error) for rating, error in zip(ratings, errors, strict=True)]
    return rated_distortions("tid2013", table, known, subsets, _DISTORTIONS)


def _read_ratings(path: Path) -> list[Rating]:
    lines = text_lines(path)
    references = FilesInAnyCase(path.parent, "reference_images")
    distorted = FilesInAnyCase(path.parent, "distorted_images")
    ratings = []
    repeats = Repeats(path)
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        rated, name = (*line.split(maxsplit=1), "")[:2]
        name = name.strip().lower()
        match = _NAME.fullmatch(name)
        numbers = published_numbers(match, _DISTORTIONS)
        if match is None or numbers is None:
            raise DataError(
                f"{path}, line {row}: expected 'SCORE iRR_DD_L.bmp', with distortion 01 to {_DISTORTIONS} and level "
                f"1 to {LEVELS}, found '{line.strip()[:60]}'"
            )
        score = read_rating(rated, _SCALE, f"{path}, line {row}")
        repeats.check(row, name, f"{name} is rated")
        original = references.path(f"I{match[1]}.BMP")
        ratings.append(Rating(name, original, distorted.path(name), score, numbers))
    if not ratings:
        raise DataError(f"{path} holds no ratings: download it again")
    return ratings


def _read_errors(path: Path, count: int) -> list[float | None]:
    """Read the standard error of each of `count` scores; none of any where there is no such file."""
    if not path.exists():
        return [None] * count
    errors: list[float | None] = []
    for row, line in enumerate(text_lines(path), start=1):
        if not line.strip():
            continue
        error = number(line.strip())
        if not error >= 0.0:
            raise DataError(
                f"{path}, line {row}: expected a standard error of 0 or more, found '{line.strip()[:60]}': download "
                "the file again, or take it away to measure without noise ceilings"
            )
        errors.append(error)
    if len(errors) != count:
        raise DataError(
            f"{path} has {len(errors):,} standard errors for the {count:,} scores of mos_with_names.txt: download both "
            "again, or take it away to measure without noise ceilings"
        )
    return errors


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
    ceiling_note="mos_std.txt, the standard errors of the scores, is missing: put it beside mos_with_names.txt",
)
