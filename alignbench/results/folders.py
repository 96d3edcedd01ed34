"""Folders of results on disk: what makes a run folder whole, how it is called, and where others lie.

Nothing heavy is imported here, so that what is finished can be told at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alignbench.errors import AlignbenchError, UsageError
from alignbench.files import make_folder
from alignbench.files.scratch import clear_scratch, held_scratch, no_empty_folders

FILES: Final = ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet", "curve.png", "curve.svg")
MORE_FILES: Final = ("channels.csv", "channels.png", "channels.svg")  # of a tower alone
_LONGEST: Final = 200  # bytes of a folder's name: file systems take 255, and what is written beside it adds some


def is_complete(folder: Path) -> bool:
    """Whether a folder holds everything that a finished run leaves."""
    return all((folder / name).is_file() for name in FILES)


def slugify(label: str) -> str:
    """A label as a part of a folder's name, which does not begin with a dot: such folders are hidden."""
    slug = label.replace("/", "--").replace(":", "--")
    return f"_{slug}" if slug.startswith(".") else slug


def folder_of(label: str, *parts: str) -> str:
    """Name a folder of results `<slug>__<part>__<part>`.

    Above 200 bytes the slug is cut, and ends in `~` and 8 digits of its hash.

    Raises:
        UsageError: If the label holds bytes that are no UTF-8, so that no file could name it.
    """
    slug, rest = slugify(label), "".join(f"__{part}" for part in parts)
    try:
        whole = f"{slug}{rest}".encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the name {label!a} is no UTF-8: rename what it stands for") from error
    if len(whole) <= _LONGEST:
        return whole.decode()
    digest = f"~{hashlib.sha256(slug.encode()).hexdigest()[:8]}"
    kept = slug.encode()[: max(0, _LONGEST - len(f"{digest}{rest}".encode()))]
    return f"{kept.decode(errors='ignore')}{digest}{rest}"


def find_folders(record: str, places: Iterable[Path]) -> list[Path]:
    """Folders that hold a file of that name, among or directly below some places; unfinished ones are passed over."""
    found = []
    for place in places:
        held = [place / record] if (place / record).is_file() else sorted(place.glob(f"*/{record}"))
        found += [path.parent for path in held if not path.parent.name.startswith(".tmp-")]
    return found


def run_folders(place: Path) -> list[Path]:
    """Run folders, whole or not, at or directly below a place; none if there is nothing like one."""
    try:
        if (place / "run.json").exists():
            return [place]
        inside = sorted(place.iterdir()) if place.is_dir() else []
        below = [path for path in inside if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []
    return [path for path in below if _is_like_run(path)]


def _is_like_run(folder: Path) -> bool:
    """Whether a folder is empty or has a file of a run; one that may not be looked into may be one."""
    try:
        return not any(folder.iterdir()) or any((folder / name).exists() for name in FILES)
    except OSError:
        return True


def check_writable(output: Path) -> None:
    """Find out before a long run that its results cannot be written, and clear what dead ones left half-written.

    A folder that is not there is not left either: it is made again with what goes into it.

    Raises:
        AlignbenchError: If the folder can be neither made nor written to.
    """
    try:
        with no_empty_folders(output):
            make_folder(output)
            clear_scratch(output)
            with held_scratch(output, "probe"):
                pass
    except OSError as error:
        raise AlignbenchError(
            f"the output folder {output} cannot be written to ({error.strerror}): choose another with --output"
        ) from error
