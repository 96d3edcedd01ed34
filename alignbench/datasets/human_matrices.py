"""What people said about every two pictures of a set: matrices of (dis)similarities, in their published formats.

Cichy et al. (2019), multi-arrangement; King et al. (2019), free arrangement; Peterson et al. (2016, 2018), ratings.
The order of a matrix is that of the pictures' names as Python's `sorted()` puts them, `10.jpg` before `2.jpg`, which is
how the released code of "Human alignment of neural network representations" (ICLR 2023) reads all three. A file beside
the matrix, `order.txt`, with one picture name a line, gives another.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from alignbench.arrays import Floats
from alignbench.datasets.images import FileImages
from alignbench.datasets.matrix_files import (
    PICKLED,
    averaged,
    member,
    of_subjects,
    ordered_pictures,
    upper_triangles,
    variables,
)
from alignbench.errors import AlignbenchWarning, DataError, unknown

MatrixKind = Literal["dissimilarity", "similarity"]

MATRICES: Final = (
    "cichy2019",
    "king2019-set1",
    "king2019-set2",
    "peterson-animals",
    "peterson-automobiles",
    "peterson-fruits",
    "peterson-furniture",
    "peterson-various",
    "peterson-vegetables",
)
_JUDGMENTS = "sim_judgements"
_JPEG = (".jpg", ".jpeg")
_PICKLES = (".p", ".pickle", ".pkl")


@dataclass(frozen=True, eq=False)
class HumanMatrix:
    """What people said about every two of some pictures.

    Attributes:
        name: Name of the set, e.g. `cichy2019`, `king2019-set1`, `peterson-animals`.
        images: The pictures, in the order of the matrix.
        values: Mean over people, (n (n - 1) / 2,): the upper triangle by rows, as `np.triu_indices(n, 1)`.
        kind: Whether a higher value means less or more alike.
        citation: The publication to cite.
        subjects: What each subject said, (subjects, n (n - 1) / 2), where that is known and each pair was judged by
            two at least; not a number where one did not judge a pair.
    """

    name: str
    images: FileImages
    values: Floats
    kind: MatrixKind
    citation: str
    subjects: Floats | None = None

    @property
    def dissimilarities(self) -> Floats:
        """The values of dissimilarities, or minus those of similarities: higher means less alike."""
        return self.values if self.kind == "dissimilarity" else -self.values

    @property
    def subject_dissimilarities(self) -> Floats:
        """The same of each subject, (subjects, n (n - 1) / 2); no subjects where it is not known what each said."""
        subjects = np.empty((0, len(self.values))) if self.subjects is None else self.subjects
        return subjects if self.kind == "dissimilarity" else -subjects


def read_matrix(name: str, root: Path) -> HumanMatrix:
    """Read a set by its name.

    Args:
        name: One of `MATRICES`, or `peterson-CATEGORY` for any category that is there.
        root: Folder of the publication's data, see `read_cichy`, `read_king` and `read_peterson`.

    Raises:
        UsageError: If there is no such set.
        DataError: If its files are missing or malformed.
    """
    publication, _, part = name.partition("-")
    choices = {*MATRICES, *(f"peterson-{category}" for category in categories(root))}
    if name not in choices:
        raise unknown("human matrix", name, choices)
    if publication == "cichy2019":
        return read_cichy(root)
    return read_king(root, part) if publication == "king2019" else read_peterson(root, part)


def read_cichy(root: Path) -> HumanMatrix:
    """Read the dissimilarities of 118 objects, from multi-arrangement.

    Values are means over the subjects who judged a pair; NaN means that a subject did not. The diagonal is zero or NaN.

    Args:
        root: Holds `images/*.jpg` and `sim_judgements/judgments_general.mat` (`judgments`, subjects x n x n).

    Raises:
        DataError: If files are missing or malformed, the matrix does not fit the pictures that are there or is not
            symmetric, or nobody judged a pair.
    """
    images = ordered_pictures(root, "images", _JPEG, root / _JUDGMENTS / "order.txt")
    path = root / _JUDGMENTS / "judgments_general.mat"
    n = len(images.names)
    matrices = of_subjects(path, "judgments", member(path, variables(path), "judgments"), (n, n), images)
    subjects = upper_triangles(path, matrices, images, zero_diagonal=True)
    return HumanMatrix(
        name="cichy2019",
        images=images,
        values=averaged(path, subjects, images),
        kind="dissimilarity",
        citation="Cichy, Kriegeskorte, Jozwik, van den Bosch and Charest, The spatiotemporal neural dynamics "
        "underlying perceived similarity for real-world objects, NeuroImage 194 (2019)",
        subjects=_told_apart(path, subjects),
    )


def read_king(root: Path, set_name: str) -> HumanMatrix:
    """Read the dissimilarities of one of two sets of objects and scenes, from free arrangement.

    Values are means as in `read_cichy`. As both sets share a folder, another order is in `order-SET.txt`. The
    `stimulus_category_labels.txt` that comes with the pictures, which numbers them by category, is not read.

    Args:
        root: Holds `images/SET/*.jpg` and `sim_judgements/BEHAVIOR.mat` (`BEHAVIOR.SET.pairwisedistances`, subjects x
            n (n - 1) / 2).
        set_name: `set1` or `set2`.

    Raises:
        UsageError: If there is no such set.
        DataError: See `read_cichy`.
    """
    if set_name not in ("set1", "set2"):
        raise unknown("set of king2019", set_name, ("set1", "set2"))
    images = ordered_pictures(root, f"images/{set_name}", _JPEG, root / _JUDGMENTS / f"order-{set_name}.txt")
    path = root / _JUDGMENTS / "BEHAVIOR.mat"
    distances: Any = variables(path)
    for key in ("BEHAVIOR", set_name, "pairwisedistances"):
        distances = member(path, distances, key)
    n = len(images.names)
    subjects = of_subjects(path, "pairwisedistances", distances, (n * (n - 1) // 2,), images)
    return HumanMatrix(
        name=f"king2019-{set_name}",
        images=images,
        values=averaged(path, subjects, images),
        kind="dissimilarity",
        citation="King, Groen, Steel, Kravitz and Baker, Similarity judgments and cortical visual responses reflect "
        "different properties of object and scene categories in naturalistic images, NeuroImage 197 (2019)",
        subjects=_told_apart(path, subjects),
    )


def read_peterson(root: Path, category: str) -> HumanMatrix:
    """Read the SIMILARITIES of the pictures of a category, from ratings: higher means more alike.

    Args:
        root: Holds `CATEGORY/images/*.{jpg,png}` and one `CATEGORY/sim_judgements/*sim*.mat` with one variable whose
            name holds `sim` (n x n, of any diagonal).
        category: A folder of that layout; the published ones are in `MATRICES`.

    Raises:
        DataError: See `read_cichy`; also if the ratings are there as a pickle only, which is not opened.
    """
    folder = root / category / _JUDGMENTS
    images = ordered_pictures(root, f"{category}/images", (*_JPEG, ".png"), folder / "order.txt")
    path = _find_ratings(folder)
    matrices = variables(path)
    keys = [key for key in matrices if "sim" in key.lower()] or ["*sim*"]
    if len(keys) > 1:
        raise DataError(f"{path} holds {' and '.join(keys)}: leave the one variable to read")
    n = len(images.names)
    ratings = of_subjects(path, keys[0], np.asarray(member(path, matrices, keys[0]))[None], (n, n), images)
    return HumanMatrix(
        name=f"peterson-{category}",
        images=images,
        values=averaged(path, upper_triangles(path, ratings, images, zero_diagonal=False), images),
        kind="similarity",
        citation="Peterson, Abbott and Griffiths, Evaluating (and improving) the correspondence between deep neural "
        "networks and human representations, Cognitive Science 42 (2018)",
    )


def _told_apart(path: Path, subjects: Floats) -> Floats | None:
    """The subjects, if each can be left out and all pairs are judged still; warns where one alone judged some."""
    judges = np.isfinite(subjects).sum(axis=0)
    if len(subjects) > 1 and judges.min(initial=2) > 1:
        return subjects
    if len(subjects) > 1:
        warnings.warn(
            f"{path}: {np.count_nonzero(judges == 1):,} of {len(judges):,} pairs were judged by one subject only: "
            "intervals are over pictures and not over subjects, and there is no noise ceiling",
            AlignbenchWarning,
            stacklevel=3,
        )
    return None


def _find_ratings(folder: Path) -> Path:
    """Find the one file with a matrix of similarities."""
    if not folder.is_dir():
        raise DataError(f"{folder} is missing: put the published *sim*.mat there")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    matrices = [name for name in names if fnmatch(name.lower(), "*sim*.mat")]
    if len(matrices) > 1:
        raise DataError(f"{folder} holds {' and '.join(matrices)}: leave the one file to read")
    if matrices:
        return folder / matrices[0]
    for name in names:
        if name.lower().endswith(_PICKLES):
            raise DataError(f"{folder / name} {PICKLED}: convert it to a *sim*.mat of n x n similarities")
    raise DataError(f"{folder} holds no *sim*.mat: put the published file there")


def categories(root: Path) -> tuple[str, ...]:
    """List the folders that have the layout of `read_peterson`, sorted; none if there is no such root."""
    entries = root.iterdir() if root.is_dir() else ()
    return tuple(sorted(e.name for e in entries if (e / "images").is_dir() and (e / _JUDGMENTS).is_dir()))
