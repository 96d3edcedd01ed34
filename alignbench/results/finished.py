"""Whether a run has finished, and what is said of its files that cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from alignbench.errors import DataError, one_line
from alignbench.files import open_plain
from alignbench.results.folders import FILES

AGAIN: Final = "measure it again with --overwrite"


def unreadable(path: Path, error: Exception, how: str = "read") -> DataError:
    """The error for a file of a run that cannot be read, or `used`; one that may not be read need not be made again."""
    if isinstance(error, PermissionError) or _is_denied(path):
        return DataError(f"{path} cannot be read ({os.strerror(errno.EACCES)}): ask its owner to make it readable")
    reason = one_line(error)
    return DataError(f"{path} cannot be {how} ({reason}): {AGAIN}")


def check_finished(folder: Path) -> None:
    """Refuse a folder that no run has finished.

    Raises:
        DataError: If there is no `run.json`; says what can be done.
    """
    try:
        if (folder / "run.json").is_file():
            return
        is_run = any((folder / name).exists() for name in FILES)
        is_there = folder.exists()
    except OSError as error:
        raise unreadable(folder / "run.json", error) from error
    remedy = "measure it again" if is_run else "name a folder that `alignbench run` made, or one that holds such"
    what = "holds no finished run" if is_there else "is not there"
    raise DataError(f"{folder} {what}: {remedy}, or leave it out")


def _is_denied(path: Path) -> bool:
    """Whether a file may not be read, which safetensors takes for its not being there."""
    try:
        with open_plain(path):
            return False
    except OSError as error:
        return isinstance(error, PermissionError)


def read_bytes(path: Path) -> bytes:
    """Read a file of a run; raises OSError as `open_plain` does."""
    with open_plain(path) as file:
        return file.read()
