"""Folders of results on disk: what makes a run folder whole, how it is called, and where others lie.

Nothing heavy is imported here, so that what is finished can be told at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alignbench.errors import AlignbenchError
from alignbench.files import scratch_folder

FILES: Final = ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet", "curve.png", "curve.svg")


def is_complete(folder: Path) -> bool:
    """Whether a folder holds everything that a finished run leaves."""
    return all((folder / name).is_file() for name in FILES)


def slugify(label: str) -> str:
    """A label as a part of a folder's name."""
    return label.replace("/", "--").replace(":", "--")


def find_folders(record: str, places: Iterable[Path]) -> list[Path]:
    """Folders that hold a file of that name, among or directly below some places; unfinished ones are passed over."""
    found = []
    for place in places:
        held = [place / record] if (place / record).is_file() else sorted(place.glob(f"*/{record}"))
        found += [path.parent for path in held if not path.parent.name.startswith(".tmp-")]
    return found


def check_writable(output: Path) -> None:
    """Find out before a long run that its results cannot be written.

    Raises:
        AlignbenchError: If the folder can be neither made nor written to.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = scratch_folder(output, "probe")
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise AlignbenchError(
            f"the output folder {output} cannot be written to ({error.strerror}): choose another with --output"
        ) from error
