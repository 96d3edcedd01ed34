"""The objects of THINGS: in which order they are numbered, and which picture people were shown of each.

A concept's published picture is `CONCEPT/CONCEPT_01b.jpg`, or `CONCEPT.jpg` where the pictures lie flat.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path, PurePosixPath
from typing import Final

from alignbench.datasets.tables import Repeats, listed_names, table_rows, text_lines
from alignbench.errors import AlignbenchWarning, DataError

IMAGE_FOLDERS: Final = ("images", "object_images", "Images")
TRIPLET_FOLDERS: Final = (".", "triplets", "triplet_dataset", "data/triplet_dataset")
_LISTS: Final = ("unique_id.txt", "things_concepts.tsv")
_HEADERS: Final = ("uniqueid", "id", "word", "concept", "object", "name", "label")  # letters alone; no objects
_SUFFIXES: Final = (".jpg", ".jpeg", ".png")


def object_images(root: Path) -> list[str]:
    """Find the picture of each object, in the order of the objects; paths are relative to the root.

    An object without a picture keeps its place and is warned of; it is an error only if a triplet names it.

    Args:
        root: Folder of the data set.

    Raises:
        DataError: If there are no pictures, the list of objects is malformed, or the picture of an object cannot be
            told from others.
    """
    folder = _image_folder(root)
    pictures = _pictures(folder)
    if not pictures:
        raise DataError(f"{folder} holds no pictures: download the THINGS images there")
    order = _object_order(root)
    if order is None:
        _warn(
            f"{root} has neither {' nor '.join(_LISTS)}: objects are taken in sorted() order, which differs from "
            "THINGS' own for 20 of its 1,854 objects"
        )
        order = sorted(pictures)
    missing = [name for name in order if name not in pictures]
    if missing:
        _warn(f"{folder} lacks the picture of {_counted(missing)}, which the list of objects names: complete it")
    unlisted = sorted(pictures.keys() - set(order))
    if unlisted:
        _warn(f"{folder} holds {_counted(unlisted)}, which the list of objects does not name: check that it is whole")
    chosen = [_chosen(folder, name, pictures.get(name, [name])) for name in order]
    others = [path for name, path in zip(order, chosen, strict=True) if name in pictures and not _published(name, path)]
    if others:
        _warn(
            f"{folder} lacks the published picture CONCEPT_01b.jpg of {len(others):,} objects: the first of the "
            f"sorted folder is taken, as {others[0]}"
        )
    return [f"{folder.name}/{path}" for path in chosen]


def concept_of(picture: str) -> str:
    """Return the concept of a picture by its path below the root: its folder, or its name where it lies flat."""
    _, *folders, file = picture.split("/")
    return folders[0] if folders else file.rpartition(".")[0]


def _warn(text: str) -> None:
    warnings.warn(text, AlignbenchWarning, stacklevel=4)


def _counted(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"


# ----------------------------------------------------------------------------------------------- pictures


def _image_folder(root: Path) -> Path:
    folders = [root / name for name in IMAGE_FOLDERS if (root / name).is_dir()]
    if not folders:
        raise DataError(f"{root} has none of the image folders {', '.join(IMAGE_FOLDERS)}: check --data-root")
    others = [folder.name for folder in folders[1:] if not folder.samefile(folders[0])]
    if others:
        _warn(f"{root} holds the image folders {folders[0].name} and {' and '.join(others)}: the first is taken")
    return folders[0]


def _pictures(folder: Path) -> dict[str, list[str]]:
    """The pictures of each concept, sorted, relative to the folder."""
    found: dict[str, list[str]] = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.is_dir():
            names = sorted(path.name for path in entry.iterdir() if _is_picture(path))
            found.setdefault(entry.name, []).extend(f"{entry.name}/{name}" for name in names)
        elif _is_picture(entry):
            found.setdefault(entry.stem, []).append(entry.name)
    return {name: pictures for name, pictures in found.items() if pictures}


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _chosen(folder: Path, name: str, pictures: list[str]) -> str:
    """The published picture by its exact name, or by that name in another spelling, or the first one of the folder."""
    exact = [path for path in pictures if path in _names(name)]
    published = exact or [path for path in pictures if _published(name, path)]
    flat = [path for path in pictures if "/" not in path]
    several = published if len(published) > 1 else pictures if flat and not published and len(pictures) > 1 else []
    if several:
        both = " and ".join(several[:2])
        raise DataError(f"{folder} holds {both} for the object {name}: leave the one that was published")
    return (published or pictures)[0]


def _names(name: str) -> tuple[str, str]:
    return f"{name}/{name}_01b.jpg", f"{name}.jpg"


def _published(name: str, path: str) -> bool:
    """Whether a picture has the published name of its concept, letter case and ending apart."""
    bare = PurePosixPath(path).with_suffix("").as_posix().lower()
    return bare in [published.removesuffix(".jpg").lower() for published in _names(name)]


# -------------------------------------------------------------------------------------------------- order


def _object_order(root: Path) -> list[str] | None:
    folders = dict.fromkeys((*TRIPLET_FOLDERS, "data", *IMAGE_FOLDERS))
    paths = [path for folder in folders for name in _LISTS if (path := root / folder / name).exists()]
    lists = [_names_of_concepts(path) for path in paths]
    for path, names in zip(paths, lists, strict=True):
        if names != lists[0]:
            raise DataError(f"{paths[0]} and {path} list other objects: leave the one that belongs to the triplets")
    return lists[0] if lists else None


def _first_line(path: Path) -> int:
    """The number of the first line that is not blank."""
    return next(number for number, line in enumerate(text_lines(path), start=1) if line.strip())


def _names_of_concepts(path: Path) -> list[str]:
    if path.suffix == ".txt":
        names = listed_names(path)
        if names and re.sub(r"[^a-z0-9]", "", names[0].lower()) in _HEADERS:
            raise DataError(
                f"{path}, line {_first_line(path)}: '{names[0]}' names a column, and would be taken for object 0: take "
                "the line out"
            )
    else:
        repeats = Repeats(path)
        names = []
        for line, values in table_rows(path, ("uniqueID",), delimiter="\t"):
            repeats.check(line, values["uniqueID"], f"{values['uniqueID'][:80]} is listed")
            names.append(values["uniqueID"])
    for name in names:
        if not name or name in (".", "..") or re.search(r'[/\\\0"]', name):
            raise DataError(f"{path}: {name[:80]!r} is no name of a concept: download the file again")
    return names
