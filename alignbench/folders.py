"""Folders on disk: what makes a run folder whole, the scratch folder in which one is written, where caches are.

Nothing heavy is imported here, so that what is finished can be told at once.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from alignbench.errors import AlignbenchError

FILES: Final = ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet", "curve.png", "curve.svg")
_SCRATCH: Final = re.compile(r"\.tmp-(?:[0-9a-f]{8}|probe)-(?P<host>.+)-(?P<pid>\d+)")


def is_complete(folder: Path) -> bool:
    """Whether a folder holds everything that a finished run leaves."""
    return all((folder / name).is_file() for name in FILES)


def slug_of(label: str) -> str:
    """A label as a part of a folder's name."""
    return label.replace("/", "--").replace(":", "--")


def holders_of(record: str, places: Iterable[Path]) -> list[Path]:
    """Folders that hold a file of that name, among or directly below some places; unfinished ones are passed over."""
    found = []
    for place in places:
        held = [place / record] if (place / record).is_file() else sorted(place.glob(f"*/{record}"))
        found += [path.parent for path in held if not path.parent.name.startswith(".tmp-")]
    return found


def cache_folder(kind: str) -> Path | None:
    """Where things of a kind are cached: in `$ALIGNBENCH_CACHE`, or in the user's caches; none without a home."""
    own, caches = os.environ.get("ALIGNBENCH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / kind
    try:
        return (Path(caches) if caches else Path.home() / ".cache") / "alignbench" / kind
    except RuntimeError:
        return None


def scratch_folder(output: Path, key: str) -> Path:
    """Where this process writes a run folder before it is whole.

    Args:
        output: Folder of run folders.
        key: The hash in the run folder's name.
    """
    return output / f".tmp-{key}-{socket.gethostname()}-{os.getpid()}"


def scratch_folders(output: Path) -> Iterator[tuple[Path, str, int]]:
    """The scratch folders that are there, each with the host and the process id of its writer."""
    for path in output.glob(".tmp-*"):
        match = _SCRATCH.fullmatch(path.name)
        if match is not None:
            yield path, match["host"], int(match["pid"])


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
