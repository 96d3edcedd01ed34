"""Locks of the kernel (flock), on files whose content means nothing.

Such a lock belongs to an open file, and ends with the last process that has it open, however that ends. So no lock is
ever stale. Lock files are not removed: who opens one at that moment would lock a file that nobody else finds.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from alignbench.errors import AlignbenchError


class Lock:
    """A lock, held until it is released, or else until the last process that has its file open has ended.

    Args:
        path: Its file, made if it is not there; a folder will do.
        wait: Wait until nobody else holds it.

    Attributes:
        descriptor: Of the open file; a process that inherits it keeps the lock held.

    Raises:
        BlockingIOError: If someone holds it, and it is not waited for.
        AlignbenchError: If its file system has no locks.
        OSError: If its file cannot be opened.
    """

    def __init__(self, path: Path, wait: bool = False) -> None:
        self.descriptor = _open(path)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BaseException as error:
            os.close(self.descriptor)
            if isinstance(error, OSError) and not isinstance(error, BlockingIOError):
                raise AlignbenchError(
                    f"{path} cannot be locked ({error.strerror}): choose an --output on a file system with locks "
                    "(flock), such as a disk of this machine"
                ) from error
            raise

    def release(self) -> None:
        """Give it back, also where a process that inherited it still lives."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)


def _open(path: Path) -> int:
    """Open a lock file; for writing, because locks on NFS want that."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except IsADirectoryError:
        return os.open(path, os.O_RDONLY)
