"""Who works on which cell: a lock file for each, in a folder that several machines may share.

A lock is created exclusively, names the processes that hold it, and is refreshed while they work. It is stale at once
when they ran here and are gone; otherwise `STALE_AFTER` seconds after its last refresh, by the clock of the folder: its
modification time is compared with that of a file made at the moment, because machines' own clocks differ.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final
from uuid import uuid4

from alignbench.files.json_text import parse_json

STALE_AFTER: Final = 120.0  # seconds; a shared folder may show times that are a minute old
REFRESH_EVERY: Final = 10.0  # seconds


def is_gone(pid: int) -> bool:
    """Whether no process of this machine has an id; one that is dead and not yet collected counts as gone."""
    try:
        if pid < 1:
            return True
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (ProcessLookupError, OverflowError):
        return True
    except (OSError, IndexError):  # someone else's process, or a system without /proc
        return False


def _world() -> str:
    """Name the realm in which a process id means one process: machines and containers may share a host name.

    It is the boot of the kernel and the process namespace; empty on a system without /proc.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


@dataclass(frozen=True)
class Holder:
    """The processes that hold a lock.

    Attributes:
        host: Name of their machine.
        world: The realm in which these ids are valid, see `_world`.
        processes: Their ids.
    """

    host: str
    world: str
    processes: tuple[int, ...]

    @classmethod
    def here(cls, *processes: int) -> Holder:
        """Name processes of this machine."""
        return cls(socket.gethostname(), _world(), processes)

    @classmethod
    def read(cls, text: str) -> Holder | None:
        """Read the text of a lock file; none if it cannot be read, as of a lock that is just being made."""
        try:
            holder = parse_json(text)
            return cls(str(holder["host"]), str(holder["world"]), tuple(int(pid) for pid in holder["processes"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            return None

    def is_gone(self) -> bool:
        """Whether they ran here and are no more."""
        here = Holder.here()
        return (self.host, self.world) == (here.host, here.world) and all(map(is_gone, self.processes))


class Lock:
    """A lock that this process takes by making its file.

    Attributes:
        holder: The processes that hold it.

    Raises:
        FileExistsError: If someone has it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._token, self.holder = path, uuid4().hex, Holder.here(os.getpid())
        with path.open("x", encoding="utf-8") as file:
            try:
                file.write(self._text)
                file.flush()
            except OSError:  # of a full disk: a lock that names nobody would hold everyone up
                path.unlink(missing_ok=True)
                raise

    @property
    def _text(self) -> str:
        return json.dumps({**asdict(self.holder), "token": self._token})

    def share(self, process: int) -> None:
        """Name a process that works for this one: the lock is not stale while it lives."""
        if self.refresh():
            self.holder = Holder.here(os.getpid(), process)
            self._path.write_text(self._text, encoding="utf-8")

    def refresh(self) -> bool:
        """Say that the work goes on; false if the lock was lost to someone who found it stale."""
        try:
            if self._path.read_text(encoding="utf-8") != self._text:
                return False
            os.utime(self._path)  # without a time: the folder's own
        except FileNotFoundError:
            return False
        except OSError:  # a shared folder that does not answer now may do so next time
            pass
        return True

    def release(self) -> None:
        """Remove it, if it is still this one."""
        if self.refresh():
            self._path.unlink(missing_ok=True)


class Locks:
    """The locks of a folder, which is made if it is not there.

    Args:
        folder: Their folder.
        stale_after: Seconds without a refresh after which a lock is stale.
    """

    def __init__(self, folder: Path, stale_after: float = STALE_AFTER) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stale_after = folder, stale_after
        self._own: dict[str, Lock] = {}

    def take(self, name: str) -> Lock | None:
        """Take a lock; none if there is one, stale or not."""
        try:
            self._own[name] = Lock(self._folder / f"{name}.lock")
        except FileExistsError:
            return None
        return self._own[name]

    def release(self, name: str) -> None:
        """Give back a lock that was taken here."""
        self._own[name].release()
        del self._own[name]

    def is_own(self, name: str) -> bool:
        """Whether a lock was taken here, and not given back."""
        return name in self._own

    def is_held(self, name: str) -> bool:
        """Whether someone has a lock that is not stale; one's own is not, even after a long sleep of the machine."""
        return self.is_own(name) or not self._is_stale(self._folder / f"{name}.lock")

    def clear(self) -> list[Holder]:
        """Remove stale locks; only in `turn`, so that none is removed that has just replaced a stale one.

        Returns:
            Who held them, as far as they say.
        """
        stale = []
        for path in sorted(self._folder.glob("*.lock")):
            if not self.is_held(path.stem):
                stale.append(_read(path))
                path.unlink(missing_ok=True)
        return [lock[0] for lock in stale if lock is not None and lock[0] is not None]

    def now(self) -> float:
        """Seconds by the clock of the folder."""
        with TemporaryFile(dir=self._folder) as probe:
            return os.fstat(probe.fileno()).st_mtime

    def _is_stale(self, path: Path) -> bool:
        """Whether a lock is stale, or not there."""
        lock = _read(path)
        if lock is None:
            return True
        holder, refreshed = lock
        return (holder is not None and holder.is_gone()) or self.now() - refreshed > self._stale_after

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One process at a time, for the moment of a decision; one that dies in it is waited for 30 seconds."""
        from optuna.storages.journal import JournalFileOpenLock

        turn = JournalFileOpenLock(str(self._folder.with_suffix(".turn")), grace_period=30)
        turn.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # after a halt of more than 30 seconds it is someone else's
                turn.release()


def _read(path: Path) -> tuple[Holder | None, float] | None:
    """Who holds a lock, as far as it says, and when it was last refreshed by the folder's clock; none if it is gone."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:  # once open, a shared folder shows it as it is now
            return Holder.read(file.read()), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
