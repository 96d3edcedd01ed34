"""Any folder of pictures, with or without a folder for each class."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.images import FileImages
from alignbench.errors import AlignbenchWarning, DataError

_Place = tuple[int, int]  # device and number of a folder

SUFFIXES: Final = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)
_ENDINGS_SHOWN: Final = 8


def image_folder(root: Path) -> FileImages:
    """Find the pictures below a folder at any depth, sorted by their paths relative to it.

    Hidden files and folders are passed over; of other files that are, a warning says how many. Links to folders are
    followed, as torchvision does.

    Args:
        root: The folder.

    Raises:
        DataError: If there is no such folder, no picture in it, or a folder in it cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: name one that holds pictures")
    visible = list(_visible(root))
    names = sorted(path.relative_to(root).as_posix() for path in visible if _is_picture(path))
    if not names:
        raise DataError(f"{root} holds no pictures ({', '.join(SUFFIXES)})")
    passed_over = Counter(path.suffix.lower() for path in visible if not _is_picture(path))
    if passed_over:
        count = f"{passed_over.total():,} files of {root} are" if passed_over.total() > 1 else f"a file of {root} is"
        endings = [f"{count:,} {ending or 'without ending'}" for ending, count in sorted(passed_over.items())]
        more = ", ..." if len(endings) > _ENDINGS_SHOWN else ""
        warnings.warn(
            f"{count} passed over ({', '.join(endings[:_ENDINGS_SHOWN])}{more}): pictures that are read "
            f"end in {', '.join(SUFFIXES)}, and links to nothing are no pictures",
            AlignbenchWarning,
            stacklevel=2,
        )
    return FileImages(root, tuple(names))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.exists()


def _visible(root: Path) -> Iterator[Path]:
    """Whatever is no folder below a folder, without what is hidden.

    A link to a folder on the way to it is not followed. Below a link each folder is looked at once, as links that lead
    to each other give more ways than can be walked.
    """
    waiting: list[tuple[Path, frozenset[_Place], set[_Place] | None]] = [(root, frozenset([_place(root)]), None)]
    while waiting:
        folder, above, seen = waiting.pop()
        try:
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except OSError as error:
            raise DataError(f"{folder} cannot be read ({error.strerror}): make it readable, or take it out") from error
        for entry in entries:
            path = folder / entry.name
            if not path.is_dir():
                yield path
                continue
            place = _place(path)
            below_link = set() if seen is None and entry.is_symlink() else seen
            if place in above or (below_link is not None and place in below_link):
                continue
            if below_link is not None:
                below_link.add(place)
            waiting.append((path, above | {place}, below_link))


def _place(folder: Path) -> _Place:
    """Which folder it is, whatever the links on the way to it."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def labelled_folder(root: Path) -> tuple[FileImages, Indices, tuple[str, ...]]:
    """Find pictures that lie in a folder for each class, as torchvision's `ImageFolder` has them.

    Args:
        root: Holds `CLASS/.../PICTURE`.

    Returns:
        The pictures, the class of each as a number, (n,), and the names of the classes, sorted.

    Raises:
        DataError: If a picture lies in no class, or there are fewer than two classes.
    """
    images = image_folder(root)
    heads = [name.partition("/") for name in images.names]
    outside = [head for head, slash, _ in heads if not slash]
    if outside:
        raise DataError(f"{root / outside[0]} lies in no class: a labelled folder holds a folder for each class")
    classes, labels = np.unique([head for head, _, _ in heads], return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"{root} holds one class only ({classes[0]}): two at least are needed")
    return images, labels.astype(np.int64), tuple(str(name) for name in classes)
