"""Who works on which cell: a lock of the kernel for each, see `files.locks`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignbench.files.locks import Lock


class Locks:
    """The locks of a folder, which is made if it is not there; they are taken and looked at in `turn` only.

    Args:
        folder: Their folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own: dict[str, Lock] = {}

    def take(self, name: str) -> Lock | None:
        """Take a lock; none if someone has it."""
        try:
            self._own[name] = Lock(self._path(name))
        except BlockingIOError:
            return None
        return self._own[name]

    def release(self, name: str) -> None:
        """Give back a lock that was taken here."""
        self._own.pop(name).release()

    def is_own(self, name: str) -> bool:
        """Whether a lock was taken here, and not given back."""
        return name in self._own

    def is_held(self, name: str) -> bool:
        """Whether someone has a lock, here or in another process."""
        path = self._path(name)
        if not path.exists():
            return False
        try:
            Lock(path).release()
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One thread of one process at a time, for the moment of a decision."""
        turn = Lock(self._folder.with_suffix(".turn"), wait=True)
        try:
            yield
        finally:
            turn.release()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
