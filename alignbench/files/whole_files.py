"""Files and folders that are there whole or not at all, the caches, and what can be wrong with a file of arrays."""

from __future__ import annotations

import errno
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import one_line, unwritable
from alignbench.files.scratch import clear_scratch, held_scratch, make_path, no_empty_folders, put_in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNITS: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_BLOCK: Final = 512  # bytes, of which `st_blocks` is a number
ARRAY_FILES: Final = (".safetensors", ".npz", ".npy")
# what NumPy and safetensors make of files that are damaged, encrypted, or of types that NumPy lacks
UNREADABLE: Final = (
    *(
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        EOFError,
        OSError,
        MemoryError,
        RuntimeError,
    ),
    *(SyntaxError, TokenError, zlib.error, zipfile.BadZipFile),
)

_NO_FILES: Final = (  # what would be waited for, or never end, if it was read as a file
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


def open_plain(path: str | Path) -> BufferedReader:
    """Open a file for reading once it is seen to be one: pipes and devices are never opened.

    Args:
        path: The file; links are followed.

    Raises:
        OSError: If it cannot be opened, or is something else than a file; its `strerror` says what.
    """
    mode = os.stat(path).st_mode
    for is_kind, kind in _NO_FILES:
        if is_kind(mode):
            raise OSError(errno.EINVAL, f"{kind}, where a file belongs", str(path))
    return open(path, "rb")


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, unless they are there.

    Raises:
        OSError: If it cannot be made; its `strerror` names a file that is in the way.
    """
    try:
        make_path(folder)
    except (FileExistsError, NotADirectoryError) as error:
        taken = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        raise NotADirectoryError(errno.ENOTDIR, f"{taken} is no folder", str(folder)) from error


@contextmanager
def whole_file(path: Path, remedy: str = "choose another place") -> Iterator[Path]:
    """Write a file that is there whole or not at all: it is moved to its place when it is done.

    Args:
        path: Where the file is to be; missing folders are made.
        remedy: What the user can do where it cannot be written.

    Yields:
        A path of the same name in a folder beside it, where it is written first.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    try:
        with no_empty_folders(path.parent):
            make_folder(path.parent)
            clear_scratch(path.parent)
            with held_scratch(path.parent, "file") as folder:
                scratch = folder / path.name
                yield scratch
                _open_to_others(folder)
                os.replace(scratch, path)
    except OSError as error:
        raise unwritable(path, error, remedy) from error


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


def check_place(path: Path, remedy: str = "choose another place") -> None:
    """Find out before long work that a file could not be written in the end; nothing is left of the attempt.

    Args:
        path: Where the file is to be; folders that it lacks could be made.
        remedy: What the user can do where it cannot be written.

    Raises:
        AlignbenchError: If something else is there, or if the file or its folder cannot be written to.
    """
    try:
        if path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            if not path.is_file():
                raise OSError(errno.EINVAL, "it is no file", str(path))
        with no_empty_folders(path.parent):
            make_folder(path.parent)
            with held_scratch(path.parent, "probe") as folder:
                (folder / path.name).touch()
    except OSError as error:
        raise unwritable(path, error, remedy) from error


@contextmanager
def whole_folder(folder: Path, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Write a folder that is there whole or not at all: it is moved to its place when it is done.

    An old folder at that place is exchanged for it in one step.

    Args:
        folder: Where the folder is to be; its name ends in `__` and the hash of what settles its content.
        keep: Says in the end whether a folder that another process may have put there is to stay instead.

    Yields:
        A folder beside it, which is written first.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    try:
        with no_empty_folders(folder.parent):
            clear_scratch(folder.parent)
            with held_scratch(folder.parent, folder.name.rpartition("__")[2]) as scratch:
                yield scratch
                _open_to_others(scratch)
                put_in_place(scratch, folder, keep)
    except OSError as error:
        raise unwritable(folder, error) from error


def write_safetensors(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write arrays as safetensors.

    Args:
        path: The file, in a scratch folder.
        arrays: The arrays by name.
        metadata: Texts by name; may be empty.

    Raises:
        OSError: If it cannot be written, on a full disk for instance, of which safetensors makes an error of its own.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, path, dict(metadata) or None)
    except SafetensorError as error:
        raise OSError(one_line(error)) from error


def claim_room(descriptor: int, size: int) -> None:
    """Claim the room of a file that is to be written through memory, as far as the system can.

    A disk that fills up while such a file is written would end the process by a signal. More than is free is refused at
    once: a claim that fails after a while would have taken what others write to meanwhile.

    Args:
        descriptor: The file, open for writing.
        size: Its final size in bytes.

    Raises:
        OSError: If there is no room for it; its `strerror` says how much is needed, and how much there is.
    """
    system, held = os.fstatvfs(descriptor), os.fstat(descriptor)
    needed, free = size - held.st_blocks * _BLOCK, system.f_bavail * system.f_frsize
    if system.f_blocks and needed > free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {_said(needed)} needed, {_said(free)} free")
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif held.st_size < size:
        os.truncate(descriptor, size)


def _said(size: int) -> str:
    """Say a size in bytes."""
    scale, unit = next((each for each in _UNITS if size >= each[0]), _UNITS[-1])
    return f"{size / scale:,.1f} {unit}"


def _open_to_others(folder: Path) -> None:
    """Give files the mode of any new file: some libraries write theirs for the owner alone, whatever the umask."""
    probe = folder / f".tmp-mode-{os.getpid()}"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    for file in folder.rglob("*"):
        if file.is_file() and file.stat().st_mode != mode:
            file.chmod(mode)


def cache_folder(kind: str) -> Path | None:
    """Return where things of a kind are cached: in `$ALIGNBENCH_CACHE` or the user's caches; none without a home."""
    own, caches = os.environ.get("ALIGNBENCH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / kind
    try:
        return (Path(caches) if caches else Path.home() / ".cache") / "alignbench" / kind
    except RuntimeError:
        return None
