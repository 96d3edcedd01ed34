"""Commands that are killed at a named moment: before they do something to a file below a folder.

Python tells an audit hook of every file that is opened to be written, renamed or removed. The command runs in a forked
process, whose hook ends it by SIGKILL at the moment; forking is quick, as everything is loaded already.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

_EVENTS: Final = {
    **{"open": "write", "os.rename": "rename", "os.mkdir": "make", "os.remove": "remove", "os.rmdir": "remove"},
    **{"os.truncate": "truncate", "shutil.rmtree": "clear", "os.chmod": "chmod", "os.link": "link"},
}
_NAMES: Final = (
    (re.compile(r"\.tmp-(old|probe|file|mode|[0-9a-f]{8})-[^/ ]*"), "SCRATCH"),
    (re.compile(r"[^/ ]+__[0-9a-f]{8}\b"), "FOLDER"),
    (re.compile(r"(?<=\.search-)[0-9a-f]{8}"), "KEY"),
    (re.compile(r"[0-9a-f]{16}/[0-9a-f]{2}/\.[0-9a-f]{16}-[^/ ]*\.tmp"), "DRAFT"),
    (re.compile(r"[0-9a-f]{16}/[0-9a-f]{2}/[0-9a-f]{64}"), "ENTRY"),
    (re.compile(r"[0-9a-f]{16}(/[0-9a-f]{2})?\b"), "ENTRIES"),
)


class Moment(NamedTuple):
    """A moment at which a command is killed.

    Attributes:
        name: What it is about to do, e.g. `write SCRATCH/curve.csv`; see `Ended.moments`.
        time: The how-manieth time, from 0.
    """

    name: str
    time: int = 0


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code, or minus the number of the signal that ended it.
        said: What it printed on both streams.
        moments: What it did to files, in order.
    """

    code: int
    said: str
    moments: tuple[Moment, ...]

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == -signal.SIGKILL


def run_forked(arguments: list[str], root: Path, work: Path, killed: Moment | None = None) -> Ended:
    """Run a command line in a forked process.

    Args:
        arguments: The command line, without the program's name.
        root: Folder: what is done to files below it are the moments.
        work: Folder for what it prints, and for the list of moments.
        killed: The moment at which it is killed; none to let it end.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name in ("said", "moments"):
        (work / name).write_text("")
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _run(arguments, root, work, killed)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    said, names = ((work / name).read_text(errors="replace") for name in ("said", "moments"))
    counts: Counter[str] = Counter()
    moments = []
    for name in names.splitlines():
        moments.append(Moment(name, counts[name]))
        counts[name] += 1
    return Ended(os.waitstatus_to_exitcode(status), said, tuple(moments))


def _run(arguments: list[str], root: Path, work: Path, killed: Moment | None) -> int:
    import torch

    from alignbench.cli.main import main

    torch.set_num_threads(1)
    said, journal = (os.open(work / name, os.O_WRONLY | os.O_APPEND) for name in ("said", "moments"))
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.addaudithook(_hook(f"{root}/", journal, killed))
    return main(arguments)


def _hook(root: str, journal: int, killed: Moment | None) -> Callable[[str, tuple[Any, ...]], None]:
    """What notes the moments, and kills this process at one of them; processes that it forks are let alone."""
    here, counts = os.getpid(), Counter[str]()

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event not in _EVENTS or os.getpid() != here or (event == "open" and _reads(given)):
            return
        paths = [os.fsdecode(each) for each in given if isinstance(each, str | bytes | os.PathLike)]
        below = [path.removeprefix(root) for path in paths if path.startswith(root)]
        if not below:
            return
        name = " ".join([_EVENTS[event], *below])
        for pattern, word in _NAMES:
            name = pattern.sub(word, name)
        os.write(journal, name.encode() + b"\n")
        if killed is not None and killed == (name, counts[name]):
            os.kill(here, signal.SIGKILL)
        counts[name] += 1

    return hook


def _reads(given: tuple[Any, ...]) -> bool:
    """Whether an opened file is only read."""
    mode, flags = (*given, None, 0)[1:3]
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return not isinstance(flags, int) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0
