"""`python -m alignbench.cli.cell_process ...`: alignbench in a process that ends with the one that started it.

Its standard input is a pipe that the starter holds and never writes to. However the starter ends, the pipe ends too,
and this process with it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import Thread


def _end_with(pipe: int) -> None:
    """End this process at once when a pipe ends."""
    with suppress(OSError):
        while os.read(pipe, 1):
            pass
    os._exit(1)


def main() -> int:
    """Run the command line and return its exit code, but end at once when the starter has ended.

    A run with several ranks starts this command again for each of the others. They have no pipe to watch.
    """
    if "LOCAL_RANK" not in os.environ:
        _watch_pipe()
    from alignbench.cli.main import main as run

    return run()


def _watch_pipe() -> None:
    """Watch the pipe from a thread; what this process starts gets an empty standard input instead."""
    pipe, null = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    Thread(target=_end_with, args=(pipe,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
