"""Journals of Optuna that outlive whoever writes them: a kill costs at most the line that was being written."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from alignbench.files.locks import Lock

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

NO_JOURNAL: Final = (  # what Optuna makes of nonsense, beside its own errors
    *(ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, RuntimeError),
)


def open_journal(path: Path) -> JournalStorage:
    """Open a journal, without the end of it if that is torn; it is made if it is not there.

    Args:
        path: The file, in a folder that is there; several processes of this machine may append to it.

    Raises:
        AlignbenchError: If its file system has no locks.
        OSError: If it cannot be opened or written to.
        Exception: One of `NO_JOURNAL`, or of Optuna, if it is none.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lock = _JournalLock(path)
    if path.exists():
        if not path.is_file():
            raise ValueError(f"{path} is no file")
        lock.acquire()  # whoever appends holds it, so nobody is in the middle of a line
        try:
            _cut_torn_end(path)
        finally:
            lock.release()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the journal is experimental
        return JournalStorage(JournalFileBackend(str(path), cast(Any, lock)))


class _JournalLock:
    """What Optuna holds while it appends, one thread at a time: a lock of the kernel on the journal itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def acquire(self) -> bool:
        self._lock = Lock(self._path, wait=True)
        return True

    def release(self) -> None:
        self._lock.release()


def _cut_torn_end(path: Path) -> None:
    """Take away what follows the last whole line, as a kill, a power cut or a full disk leaves it.

    Else the next line would be glued to it. After a power cut a file may have its new length without its new content:
    from somewhere on it is bytes of zero, and perhaps the ends of lines. Nobody may append meanwhile.
    """
    with path.open("rb+") as file:
        content = file.read()
        end = len(content.rstrip(b"\0\n"))
        written = content[: end + 1] if content[end : end + 1] == b"\n" else content[:end]
        whole = written.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
