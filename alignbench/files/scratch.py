"""Folders in which something is written before it is whole: held by their writer, cleared when it is dead, exchanged.

A writer holds its scratch folder by a lock of the kernel, which ends with the process, however that ends. So what
nobody holds was left by a dead one, also where another process has its host name and its id again, as in containers.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

_NAME: Final = re.compile(
    r"\.tmp-(?:[0-9a-f]{8}|probe|file)-(?P<host>.+)-(?P<pid>\d+)(?:-(?P<boot>[0-9a-f]{8})\.[0-9a-f]{8})?"
)
_ASIDE: Final = re.compile(r"\.tmp-old-(?P<name>.+__[0-9a-f]{8})(?:-\d+)?")
_TRIES: Final = 100  # to put a folder where others put theirs
_HERE, _EXCHANGE = -100, 2  # of Linux: the current folder, and the flag of renameat2
_NO_EXCHANGE: Final = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_DAY: Final = 86_400.0  # seconds after which a scratch folder is given up whose lock tells nothing here
_MOMENT: Final = 120.0  # and one of a version that held no locks, when its process is gone


def scratch_folder(output: Path, key: str) -> Path:
    """Return a place where this process can write something before it is whole; no two are called the same.

    Args:
        output: Folder that it lies in.
        key: The hash in the name of what is written, or `probe` or `file`.
    """
    return output / f".tmp-{key}-{socket.gethostname()}-{os.getpid()}-{_boot()}.{token_hex(4)}"


@contextmanager
def held_scratch(output: Path, key: str) -> Iterator[Path]:
    """Make a scratch folder, hold it, and remove it in the end; see `scratch_folder`."""
    while True:
        path = scratch_folder(output, key)
        make_path(path)
        with _held(path, wait=True):
            if not path.exists():  # cleared by someone before it was held
                continue
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
            return


def make_path(folder: Path) -> None:
    """Make a folder, and those that it lies in, even while another process takes empty ones away again.

    Raises:
        OSError: If it cannot be made.
    """
    for left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return
        except FileNotFoundError:  # one that was there a moment ago
            if not left:
                raise


@contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Remove in the end a folder, and those that it lies in, if they were not there before and nothing is in them."""
    lacking = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        yield
    finally:
        for each in lacking:
            with suppress(OSError):
                each.rmdir()


def clear_scratch(output: Path) -> None:
    """Remove what dead processes of this machine left half-written in a folder.

    What a dead process had moved aside, to put another in its place, goes back unless something is there.
    """
    with suppress(OSError):
        for path in sorted(output.glob(".tmp-*")):
            aside, scratch = _ASIDE.fullmatch(path.name), _NAME.fullmatch(path.name)
            if aside is not None:
                _restore(path, path.with_name(aside["name"]))
            elif scratch is not None:
                with suppress(OSError), _held(path) as held:
                    if _is_left(path, scratch, held):
                        shutil.rmtree(path, ignore_errors=True)


def put_in_place(scratch: Path, folder: Path, keep: Callable[[], bool]) -> None:
    """Move a folder to its place in one step; what was there before is at the place of the scratch folder then.

    Args:
        scratch: The folder.
        folder: Its place, where others may put theirs at the same time.
        keep: Says whether what is there now is to stay instead.

    Raises:
        OSError: If it cannot be moved.
    """
    for left in reversed(range(_TRIES)):
        if keep():
            return
        try:
            (_exchange if os.path.lexists(folder) else Path.rename)(scratch, folder)
            return
        except OSError as error:  # someone has just put a folder there, or taken it away
            if not left or error.errno not in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY):
                raise


def _exchange(scratch: Path, folder: Path) -> None:
    """Exchange two folders in one step where the system can, so that there is one of them at every moment."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        if renameat2(_HERE, os.fsencode(scratch), _HERE, os.fsencode(folder), _EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _NO_EXCHANGE:
            raise OSError(number, os.strerror(number), str(folder))
    _exchange_in_steps(scratch, folder)


def _exchange_in_steps(scratch: Path, folder: Path) -> None:
    """Move the old folder aside first; if this process dies before the new one is there, `clear_scratch` helps."""
    aside = folder.with_name(f".tmp-old-{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    try:
        scratch.rename(folder)
    except OSError:
        _restore(aside, folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _restore(aside: Path, folder: Path) -> None:
    """Give a folder that was moved aside its place again, or remove it where something is there."""
    with suppress(OSError):
        if not os.path.lexists(folder):
            aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _held(path: Path, wait: bool = False) -> Iterator[bool | None]:
    """Hold a folder by its lock: whether it is held, or none where the file system has no locks.

    Raises:
        OSError: If there is no such folder, unless it is waited for.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        if not wait:
            raise
        yield None
        return
    try:
        held: bool | None = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            held = False
        except OSError:
            held = None
        yield held
    finally:
        os.close(file)


def _is_left(path: Path, name: re.Match[str], held: bool | None) -> bool:
    """Whether the writer of a scratch folder is dead, as far as can be told."""
    if held is False:
        return False
    if held and name["boot"] == _boot():
        return True
    quiet = time.time() - path.stat().st_mtime
    if name["host"] != socket.gethostname():
        return False
    return quiet > _DAY or (name["boot"] is None and quiet > _MOMENT and _is_gone(int(name["pid"])))


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # someone else's, or no number of a process
        pass
    return False


def _boot() -> str:
    """Eight digits that are the same in all processes under one kernel since it was started."""
    try:
        known = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        known = os.fsencode(socket.gethostname())
    return hashlib.sha256(known).hexdigest()[:8]
