"""Files and folders that are there whole or not at all, the caches, and what can be wrong with a file of arrays."""

from __future__ import annotations

import os
import re
import shutil
import socket
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import Final

from alignbench.errors import unwritable

ARRAY_FILES: Final = (".safetensors", ".npz", ".npy")
# what NumPy and safetensors make of files that are damaged, encrypted, or of types that NumPy lacks
UNREADABLE: Final = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, MemoryError, RuntimeError),
    *(TokenError, zlib.error, zipfile.BadZipFile),
)

_SCRATCH: Final = re.compile(r"\.tmp-(?:[0-9a-f]{8}|probe)-(?P<host>.+)-(?P<pid>\d+)")


@contextmanager
def whole_file(path: Path, remedy: str = "choose another place") -> Iterator[Path]:
    """Write a file that is there whole or not at all: it is moved to its place when it is done.

    Args:
        path: Where the file is to be; missing folders are made.
        remedy: What the user can do where it cannot be written.

    Yields:
        A path beside it with the same ending, where it is written first.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    scratch = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        _open_to_others(scratch)
        os.replace(scratch, path)
    except OSError as error:
        raise unwritable(path, error, remedy) from error
    finally:
        with suppress(OSError):
            scratch.unlink()


def write_whole(path: Path, content: bytes, remedy: str = "choose another place") -> None:
    """Write bytes to a file that is there whole or not at all.

    Args:
        path: Where the file is to be; missing folders are made.
        content: The bytes.
        remedy: What the user can do where it cannot be written.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    with whole_file(path, remedy) as scratch:
        scratch.write_bytes(content)


@contextmanager
def whole_folder(folder: Path, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Write a folder that is there whole or not at all: it is moved to its place when it is done.

    An old folder at that place is moved aside first.

    Args:
        folder: Where the folder is to be; its name ends in `__` and the hash of what settles its content.
        keep: Says in the end whether a folder that another process may have put there is to stay instead.

    Yields:
        A folder beside it, which is written first.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    scratch = scratch_folder(folder.parent, folder.name.rpartition("__")[2])
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if not keep():
            for file in scratch.rglob("*"):
                if file.is_file():
                    _open_to_others(file)
            _put_in_place(scratch, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _open_to_others(file: Path) -> None:
    """Give a file the mode of any new file: some libraries write theirs for the owner alone, whatever the umask."""
    probe = file.with_name(f".tmp-mode-{os.getpid()}")
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    if file.stat().st_mode != mode:
        file.chmod(mode)


def _put_in_place(scratch: Path, folder: Path) -> None:
    if folder.exists():
        aside = folder.with_name(f".tmp-old-{folder.name}-{os.getpid()}")
        folder.rename(aside)
        try:
            scratch.rename(folder)
        except OSError:
            aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    else:
        scratch.rename(folder)


def cache_folder(kind: str) -> Path | None:
    """Return where things of a kind are cached: in `$ALIGNBENCH_CACHE` or the user's caches; none without a home."""
    own, caches = os.environ.get("ALIGNBENCH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / kind
    try:
        return (Path(caches) if caches else Path.home() / ".cache") / "alignbench" / kind
    except RuntimeError:
        return None


def scratch_folder(output: Path, key: str) -> Path:
    """Return where this process writes a run folder before it is whole.

    Args:
        output: Folder of run folders.
        key: The hash in the run folder's name.
    """
    return output / f".tmp-{key}-{socket.gethostname()}-{os.getpid()}"


def scratch_folders(output: Path) -> Iterator[tuple[Path, str, int]]:
    """Find the scratch folders that are there, each with the host and the process id of its writer."""
    for path in output.glob(".tmp-*"):
        match = _SCRATCH.fullmatch(path.name)
        if match is not None:
            yield path, match["host"], int(match["pid"])
