"""`python -m alignbench.cli.cell_process ...`: alignbench in a process that ends with the one that started it.

Its standard input is a pipe that the other process holds and never writes to. However the other ends, the pipe does.
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
    """Run the command line of this process; nothing else that it starts reads the pipe.

    A further process of the same run is started by this one with the same command, and has nothing to read there.
    """
    if "LOCAL_RANK" not in os.environ:
        _hold_the_pipe()
    from alignbench.cli.main import main as run

    return run()


def _hold_the_pipe() -> None:
    pipe, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    Thread(target=_end_with, args=(pipe,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
