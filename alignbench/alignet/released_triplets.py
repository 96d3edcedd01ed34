"""Triplets in the published form: a `.npz` with `filenames` (n, 3), `similarities` (n, 3) and `indices` (n, 3).

`indices` are rows of another loader, so pictures are known by their file names alone. Ten million rows of names are
more than two gigabytes: they are read and written in blocks, and held as numbers and one table of different names.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic, write_array_header_1_0
from numpy.typing import NDArray

from alignbench.errors import DataError, counted, one_line, shortened
from alignbench.files import UNREADABLE, open_plain, whole_file

Number = TypeVar("Number", np.int32, np.float32)
_NEEDED: Final = ("filenames", "similarities")
_BLOCK: Final = 1 << 18  # numbers or names that are read or written at once
_SHORT: Final = re.compile(r"alignet_(?P<split>train|valid)\.npz")
_LONG: Final = re.compile(
    r"(?P<split>train|val)_(?P<rule>cluster_border(?:_500)?|class_border|within_class|between_class)\.npz"
)
_TEACHERS: Final = ("untransformed", "uncertainty_distillation")


@dataclass(frozen=True)
class ReleasedTriplets:
    """What a published file holds.

    Attributes:
        names: The different file names, in the order in which they come.
        triplets: Numbers of names, (n, 3) int32.
        similarities: (n, 3) float32, as they stand there.
        told: What the file's name says of it: `split`, `rule`, `teacher`, as far as it does.
    """

    names: tuple[str, ...]
    triplets: NDArray[np.int32]
    similarities: NDArray[np.float32]
    told: dict[str, str]


def read_released(path: Path) -> ReleasedTriplets:
    """Read a published file of triplets.

    Args:
        path: The `.npz`; see `told_by_name` for what its name says.

    Raises:
        DataError: If it is not there, damaged, holds pickled objects, or anything but names and numbers of (n, 3).
    """
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            members = {member.removesuffix(".npy") for member in archive.namelist()}
            lacking = [name for name in _NEEDED if name not in members]
            if lacking:
                raise ValueError(f"it has no {' and no '.join(lacking)}")
            sizes = [archive.getinfo(f"{name}.npy").file_size for name in _NEEDED]
            with archive.open("filenames.npy") as member:
                names, triplets = _read_filenames(member, sizes[0])
            with archive.open("similarities.npy") as member:
                similarities = _read_similarities(member, sizes[1])
        if len(similarities) != len(triplets):
            raise ValueError(
                f"it has {counted(len(triplets), 'row')} of filenames and {len(similarities):,} of similarities"
            )
    except UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read as released triplets ({one_line(error)}): it is an .npz of plain arrays, "
            "`filenames` and `similarities` of (n, 3)"
        ) from error
    return ReleasedTriplets(names, triplets, similarities, told_by_name(path))


def told_by_name(path: Path) -> dict[str, str]:
    """Return what the name of a published file says: `split`, and `rule` and `teacher` in the longer scheme.

    Examples:
        >>> from pathlib import Path
        >>> told_by_name(Path("untransformed/val_class_border.npz"))
        {'split': 'validation', 'rule': 'class-border', 'teacher': 'untransformed'}
    """
    found = _SHORT.fullmatch(path.name) or _LONG.fullmatch(path.name)
    if found is None:
        return {}
    told = {"split": "train" if found["split"] == "train" else "validation"}
    if found.re is _LONG:
        told["rule"] = found["rule"].removesuffix("_500").replace("_", "-")
        if path.parent.name in _TEACHERS:
            told["teacher"] = path.parent.name
    return told


def _header(member: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape of an array in an archive, whether its columns follow one another, and its type."""
    version = read_magic(member)
    shape, is_fortran, kind = (read_array_header_1_0 if version == (1, 0) else read_array_header_2_0)(member)
    if kind.hasobject:
        raise ValueError("it holds pickled objects, which are not opened since that would run code")
    if len(shape) != 2 or shape[1] != 3 or not shape[0]:
        raise ValueError(f"an array is of shape {shape} instead of (n, 3)")
    if shape[0] * shape[1] * kind.itemsize > size:  # before memory is taken for it
        raise ValueError("an array ends too early")
    return shape, is_fortran, kind


def _blocks(member: IO[bytes], shape: tuple[int, ...], kind: np.dtype[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """The numbers of an array as they follow one another, and where each block begins."""
    total = shape[0] * shape[1]
    for start in range(0, total, _BLOCK):
        wanted = min(_BLOCK, total - start) * kind.itemsize
        content = member.read(wanted)
        if len(content) < wanted:
            raise ValueError("an array ends too early")
        yield start, np.frombuffer(content, dtype=kind)


def _in_rows(numbers: NDArray[Number], shape: tuple[int, ...], is_fortran: bool) -> NDArray[Number]:
    return np.ascontiguousarray(numbers.reshape(shape[::-1]).T if is_fortran else numbers.reshape(shape))


def _read_filenames(member: IO[bytes], size: int) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    shape, is_fortran, kind = _header(member, size)
    if kind.kind not in "US" or not kind.itemsize:
        raise ValueError(f"filenames holds {kind}, which are no texts")
    numbers = np.empty(shape[0] * shape[1], dtype=np.int32)
    known: dict[Any, int] = {}
    for start, block in _blocks(member, shape, kind):
        numbers[start : start + len(block)] = [known.setdefault(name, len(known)) for name in block.tolist()]
    names = tuple(name.decode("utf-8") if isinstance(name, bytes) else name for name in known)
    return names, _in_rows(numbers, shape, is_fortran)


def _read_similarities(member: IO[bytes], size: int) -> NDArray[np.float32]:
    shape, is_fortran, kind = _header(member, size)
    if kind.kind != "f":
        raise ValueError(f"similarities holds {kind}, which are no floating-point numbers")
    values = np.empty(shape[0] * shape[1], dtype=np.float32)
    with np.errstate(over="ignore"):  # what is too large is infinite then, and refused by who checks
        for start, block in _blocks(member, shape, kind):
            values[start : start + len(block)] = block
    return _in_rows(values, shape, is_fortran)


def check_file_names(path: Path, names: Sequence[str]) -> None:
    """Refuse pictures that the published form cannot tell apart.

    Args:
        path: The `.npz` that is to be written.
        names: Names of the pictures.

    Raises:
        DataError: If two pictures have one file name; names two.
    """
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.rpartition("/")[2], name)
        if other != name:
            raise DataError(
                f"{path}: {shortened(other)} and {shortened(name)} have one file name, by which the published form "
                "tells pictures: rename one"
            )


def write_released(
    path: Path, names: Sequence[str], triplets: NDArray[np.int32], similarities: NDArray[np.float32]
) -> None:
    """Write triplets in the published form, whole or not at all.

    Args:
        path: The `.npz`.
        names: The names of pictures; the last part of each is written, and has to be its own.
        triplets: Numbers of names, (n, 3); they are written as `indices`, too.
        similarities: (n, 3), as [s01, s02, s12].

    Raises:
        DataError: See `check_file_names`.
        AlignbenchError: If it cannot be written.
    """
    check_file_names(path, names)
    files = np.array([name.rpartition("/")[2] for name in names], dtype=np.str_)
    with whole_file(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as archive:
        step = _BLOCK // 3
        for name, array in (("filenames", None), ("similarities", similarities), ("indices", triplets)):
            kind = files.dtype if array is None else array.dtype
            header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": triplets.shape}
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                write_array_header_1_0(member, header)
                for start in range(0, len(triplets), step):
                    block = files[triplets[start : start + step]] if array is None else array[start : start + step]
                    member.write(np.ascontiguousarray(block).tobytes())
