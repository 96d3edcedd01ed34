"""Any folder of pictures, with or without a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError

SUFFIXES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def image_folder(root: Path) -> FileImages:
    """Find the pictures below a folder at any depth, sorted by their paths relative to it.

    Hidden files and folders are passed over; links to folders are followed, as torchvision does.

    Args:
        root: The folder.

    Raises:
        DataError: If there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: name one that holds pictures")
    names = sorted(path.relative_to(root).as_posix() for path in _visible(root) if path.suffix.lower() in SUFFIXES)
    if not names:
        raise DataError(f"{root} holds no pictures ({', '.join(SUFFIXES)})")
    return FileImages(root, tuple(names))


def _visible(root: Path) -> Iterator[Path]:
    """Files below a folder, without hidden ones; a link to a folder above it is not followed."""
    for place, folders, files in os.walk(root, followlinks=True):
        here = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_up(here / name)]
        yield from (here / name for name in files if not name.startswith(".") and (here / name).is_file())


def _leads_up(folder: Path) -> bool:
    """Whether a folder is a link to one of those on the way to it."""
    return folder.is_symlink() and folder.resolve() in [above.resolve() for above in folder.absolute().parents]


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
