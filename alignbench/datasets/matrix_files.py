"""Matrices of (dis)similarities in MATLAB files, checked against the pictures that they are of.

A matrix says nothing of its pictures but how many there are, so whatever can tell that the two do not belong together
is looked at: shape, symmetry, diagonal, missing entries, and how the names of the pictures are sorted.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from alignbench.arrays import Floats
from alignbench.datasets.images import FileImages
from alignbench.datasets.matlab_tags import check_matlab
from alignbench.datasets.tables import file_bytes
from alignbench.errors import AlignbenchWarning, DataError, one_line

PICKLED = "is a pickle, which is not opened since that would run code"
_TOLERANCE = 1e-6  # of the largest entry


# ----------------------------------------------------------------------------------------------- pictures


def ordered_pictures(root: Path, folder: str, suffixes: tuple[str, ...], order: Path) -> FileImages:
    """Find the pictures of a folder, in the order that `order` lists, or else of their sorted names.

    Warns if sorting would put them in another order by number (`2.jpg` before `10.jpg`) and nothing lists them.

    Args:
        root: Root of the data set.
        folder: Folder of the pictures, relative to the root; hidden pictures are passed over.
        suffixes: Suffixes of the pictures, in lower case.
        order: File with a picture name a line; it may be missing.

    Raises:
        DataError: If there are no pictures, or the list does not name each of them once.
    """
    place = root / folder
    if not place.is_dir():
        raise DataError(f"{place} is missing: put the pictures there")
    entries = (path.name for path in place.iterdir() if path.suffix.lower() in suffixes)
    names = sorted(name for name in entries if not name.startswith("."))
    if not names:
        raise DataError(f"{place} holds no pictures ({', '.join(suffixes)}): put them there")
    by_number = sorted(names, key=_by_number)
    if order.exists():
        names = _listed(order, names)
    elif names != by_number:
        first, second = next(pair for pair in zip(names, by_number, strict=True) if pair[0] != pair[1])
        warnings.warn(
            f"{place}: pictures are taken in plain order of their names, {first} before {second}; if the matrix goes "
            f"by number, list them in {order}, one a line",
            AlignbenchWarning,
            stacklevel=3,
        )
    return FileImages(root, tuple(f"{folder}/{name}" for name in names))


def _by_number(name: str) -> list[str | int]:
    """Key that sorts names by the numbers in them: split at digits, texts and numbers alternate and never meet."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def _listed(order: Path, names: list[str]) -> list[str]:
    try:
        text = file_bytes(order).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{order} cannot be read as text: write one picture name a line") from error
    listed = [line.strip() for line in text.splitlines() if line.strip()]
    counts = Counter(listed)
    wrong = [f"{name} is no picture" for name in sorted(counts.keys() - set(names))]
    wrong += [f"{name} is not listed" for name in names if name not in counts]
    wrong += [f"{name} is listed twice" for name, count in counts.items() if count > 1]
    if wrong:
        raise DataError(f"{order} does not list every picture once ({wrong[0]}): correct it, or remove it")
    return listed


# ------------------------------------------------------------------------------------------ MATLAB files


def variables(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB file up to version 7.

    Raises:
        DataError: If it is missing, damaged, or of another format.
    """
    from scipy.io import loadmat

    content = file_bytes(path, "put the published file there")
    if content.startswith(b"\x80"):
        raise DataError(f"{path} {PICKLED}: convert it to a .mat file")
    if content.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise DataError(f"{path} is a MATLAB 7.3 file, which is not read: save it in MATLAB with -v7")
    try:
        check_matlab(content)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Duplicate variable name")  # of which scipy keeps the last
            values: dict[str, Any] = loadmat(BytesIO(content))
    except Exception as error:  # of a damaged file scipy raises almost anything, a NameError among others
        raise DataError(f"{path} is no whole MATLAB file ({one_line(error)}): take the published file") from error
    if "" in values:  # what some versions of scipy read from zeros
        raise DataError(f"{path} is no whole MATLAB file (a variable has no name): take the published file")
    return {name: value for name, value in values.items() if not name.startswith("__")}


def member(path: Path, holder: Any, name: str) -> Any:
    """Look up a variable of a file, or a field of a structure in it.

    Args:
        path: Path of the file.
        holder: What `variables` gave, or a structure of it.
        name: Name of the variable or field.

    Raises:
        DataError: If it is not there; names what is.
    """
    structure = isinstance(holder, np.ndarray) and holder.dtype.names is not None and holder.size == 1
    names = holder.dtype.names if structure else tuple(holder) if isinstance(holder, dict) else ()
    if name not in names:
        raise DataError(f"{path} has no {name}, it holds {_named(names)}: take the published file")
    return holder[name].reshape(-1)[0] if structure else holder[name]


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "no variables"


# ---------------------------------------------------------------------------------------------- matrices


def of_subjects(path: Path, name: str, given: Any, shape: tuple[int, ...], images: FileImages) -> Floats:
    """Return what each subject said, (subjects, *shape), once it is seen to be numbers of that shape.

    Args:
        path: Path of the file.
        name: Name of the variable.
        given: The values as read, (subjects, *shape).
        shape: The shape that n pictures ask for: (n, n) or (n (n - 1) / 2,).
        images: The n pictures.

    Raises:
        DataError: If it is of another shape, holds no numbers, or an infinite one, or subjects differ in size.
    """
    values = np.asarray(given)
    sizes = {np.shape(each) for each in values.reshape(-1)} if values.dtype.kind == "O" else set()
    if len(sizes) > 1:
        first, second = (_times(size) for size in sorted(sizes)[:2])
        raise DataError(f"{path}: {name} holds subjects of different sizes, {first} and {second}: leave one size")
    if values.dtype.kind not in "fiu":
        raise DataError(f"{path}: {name} does not hold numbers: take the published file")
    if values.shape[1:] != shape:
        raise DataError(
            f"{path}: {name} is {_times(values.shape)}, where subjects x {_times(shape)} belong to the "
            f"{len(images.names)} pictures of {_folder(images)}: put there the pictures of the matrix, and no others"
        )
    values = values.astype(np.float64)
    if np.isinf(values).any():
        raise DataError(f"{path}: {name} holds infinite numbers: take the published file")
    return values


def upper_triangles(path: Path, matrices: Floats, images: FileImages, *, zero_diagonal: bool) -> Floats:
    """Return the upper triangles by rows, (subjects, n (n - 1) / 2), once the matrices are seen to be symmetric.

    Args:
        path: Path of the file.
        matrices: The matrix of each subject, (subjects, n, n).
        images: The n pictures.
        zero_diagonal: Whether the diagonal must be zero, or missing; else it may be anything.

    Raises:
        DataError: If one is not symmetric, or its diagonal is not zero where it must be.
    """
    rows, columns = np.triu_indices(len(images.names), 1)
    upper, lower = matrices[:, rows, columns], matrices[:, columns, rows]
    tolerance = _TOLERANCE * np.abs(matrices[~np.isnan(matrices)]).max(initial=0.0)
    one_sided = np.isnan(upper) != np.isnan(lower)
    for subject, pair in np.argwhere(one_sided | (np.abs(upper - lower) > tolerance))[:1]:
        of = f"the matrix of subject {subject + 1}" if len(matrices) > 1 else "the matrix"
        one, other = upper[subject, pair], lower[subject, pair]
        entries = f"{one:.9g} for {_pair(images, pair)} and {other:.9g} the other way round"
        raise DataError(f"{path}: {of} is not symmetric, it has {entries}: take the published file")
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    for subject, place in np.argwhere(np.abs(diagonals) > tolerance)[: int(zero_diagonal)]:
        entry = f"it has {diagonals[subject, place]:g} for {_name(images, place)} and itself, which must be 0"
        raise DataError(f"{path} holds no dissimilarities, {entry}: take the published file")
    return np.asarray(upper)


def averaged(path: Path, values: Floats, images: FileImages) -> Floats:
    """Average over the subjects who judged a pair, (n (n - 1) / 2,).

    Args:
        path: Path of the file.
        values: The upper triangle by rows of each subject, (subjects, n (n - 1) / 2).
        images: The n pictures.

    Raises:
        DataError: If nobody judged a pair (names its pictures), or all pairs have the same value.
    """
    known = ~np.isnan(values)
    missing = np.flatnonzero(~known.any(axis=0))
    if len(missing):
        others = f" (nor {len(missing) - 1:,} other pairs)" if len(missing) > 1 else ""
        raise DataError(f"{path}: nobody judged {_pair(images, missing[0])}{others}: leave out such pictures")
    mean = np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))
    if len(mean) > 1 and np.ptp(mean) == 0.0:
        raise DataError(f"{path}: all {len(mean):,} pairs have the value {mean[0]:g}: take the published file")
    return mean


def _pair(images: FileImages, pair: int) -> str:
    rows, columns = np.triu_indices(len(images.names), 1)
    return f"{_name(images, rows[pair])} with {_name(images, columns[pair])}"


def _name(images: FileImages, place: int) -> str:
    return PurePosixPath(images.names[place]).name


def _folder(images: FileImages) -> Path:
    return images.picture_file(0).parent


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)
