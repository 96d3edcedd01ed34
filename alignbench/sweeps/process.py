"""The process of a cell: one of its own, so that a crash takes no other cell along, and a peak of memory is its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from alignbench.results.folders import is_complete

_OURS: Final = "alignbench: "
_NO_ERRORS: Final = ("alignbench: warning: ", "alignbench: logged to W&B offline")
_PATIENCE: Final = 5.0  # seconds that a process has to end when it is asked to


class CellProcess:
    """A process whose output goes to a log, and whose standard input is a pipe that ends with this process.

    Args:
        command: What to start, word by word.
        log: File that its output goes to, begun anew.
        environment: All of its environment.
        held: Descriptors that it inherits, so that locks on them are held while it lives.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], held: Sequence[int] = ()
    ) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=held,
                start_new_session=True,  # the terminal's Ctrl-C is for this process, which ends the other
            )
        self.pid = self._process.pid
        self.stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def has_ended(self, seconds: float) -> bool:
        """Wait for its end, at most so many seconds; whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it, and the processes that it started, if it has not ended."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            self.stopped = True
            with suppress(ProcessLookupError, PermissionError):  # it ended just now
                os.killpg(self.pid, number)
            self.has_ended(_PATIENCE)

    def folders(self, output: Path) -> tuple[str, ...]:
        """The names of the whole folders of results that it named in lines of their own, if it ended well."""
        if self._process.returncode:
            return ()
        named = dict.fromkeys(Path(line) for line in _read_lines(self._log))
        return tuple(path.name for path in named if path.parent == output and is_whole(path))

    def error(self) -> str:
        """Why it failed: its last complaint, or else how it ended."""
        lines, code = _read_lines(self._log), self._process.returncode
        if code < 0:
            hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
            return f"ended by {signal.Signals(-code).name}{hint}"
        complaints = [line for line in lines if line.startswith(_OURS) and not line.startswith(_NO_ERRORS)]
        if complaints:
            return complaints[-1].removeprefix(_OURS)
        if code == 0:
            return "left no run folder"
        return f"ended with exit code {code}" + (f": {lines[-1][:200]}" if lines else "")


def is_whole(folder: Path) -> bool:
    """Whether a folder holds all that a command leaves: a run, or the scores of a model's heads."""
    if is_complete(folder):
        return True
    from alignbench.results.head_alignment import has_head_alignment  # which takes seconds

    return has_head_alignment(folder)


def last_line(log: Path) -> str:
    """The last line of a log that says something; empty if there is none."""
    lines = _read_lines(log)
    return lines[-1] if lines else ""


def _read_lines(log: Path) -> list[str]:
    """Read the lines of a log that are not blank; none if there is no log."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in map(str.strip, text.splitlines()) if line]
