"""What is to be logged and is not yet: a mark within its folder, which becomes whole with the folder.

So a run whose process ends between its folder and its log is known for one. The mark goes once the run is logged, or
the user is told how to upload what is on disk.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from alignbench.files.whole_files import open_plain

MARK: Final = ".unlogged"
_BEGUN: Final = "begun"  # W&B's own folder may be half-written
_ON_DISK: Final = "on disk"  # it is whole, and to be uploaded
_STANDING: Final = re.compile(rf"({_BEGUN}|{_ON_DISK}): (offline-run-[\w.-]+)", re.ASCII)
_LONGEST: Final = 1000  # bytes of a mark


def mark_unlogged(folder: Path) -> None:
    """Say of a folder that is not whole yet that it is to be logged."""
    (folder / MARK).touch()


def is_unlogged(folder: Path) -> bool:
    """Whether a folder is to be logged and is not."""
    return (folder / MARK).is_file()


def note_begun(folder: Path, place: Path) -> None:
    """Note that W&B's own folder of a run is being written."""
    _note(folder, f"{_BEGUN}: {place.name}")


def note_on_disk(folder: Path, place: Path) -> None:
    """Note that W&B's own folder of a run is whole, and has to be uploaded."""
    _note(folder, f"{_ON_DISK}: {place.name}")


def settle(folder: Path) -> None:
    """Take the mark away."""
    with suppress(OSError):  # of a folder that may only be read
        (folder / MARK).unlink(missing_ok=True)


def take_up(folder: Path) -> Path | None:
    """Find W&B's whole folder of a run that was not uploaded; one that is half-written is removed.

    Args:
        folder: The folder that is to be logged.
    """
    try:
        with open_plain(folder / MARK) as file:
            standing = _STANDING.fullmatch(file.read(_LONGEST).decode(errors="replace"))
    except OSError:
        return None
    if standing is None:
        return None
    for parent in wandb_folders(folder):
        place = parent / standing[2]
        if place.is_dir():
            if standing[1] == _ON_DISK:
                return place
            shutil.rmtree(place, ignore_errors=True)
    return None


def wandb_folders(folder: Path) -> tuple[Path, Path]:
    """Where W&B's own folders may be: below `WANDB_DIR`, or else beside the folder that is logged."""
    root = Path(os.path.abspath(os.environ.get("WANDB_DIR") or folder.parent))
    return root / ".wandb", root / "wandb"


def _note(folder: Path, text: str) -> None:
    with suppress(OSError):  # of a folder that may only be read
        (folder / MARK).write_text(text, encoding="utf-8")
