"""Any folder of pictures, with or without a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from alignbench.datasets.images import FileImages, Indices
from alignbench.errors import DataError

SUFFIXES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def image_folder(root: Path) -> FileImages:
    """The pictures below a folder, at any depth, sorted by their paths relative to it; hidden ones are passed over.

    Raises:
        DataError: If there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: name one that holds pictures")
    found = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    names = sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))
    if not names:
        raise DataError(f"{root} holds no pictures ({', '.join(SUFFIXES)})")
    return FileImages(root, tuple(names))


def labelled_folder(root: Path) -> tuple[FileImages, Indices, tuple[str, ...]]:
    """Pictures in a folder for each class, as torchvision's `ImageFolder` has them.

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
