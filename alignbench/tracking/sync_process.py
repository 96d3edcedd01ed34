"""`python -m alignbench.tracking.sync_process PLACE`: `wandb sync` in a process that ends with the one that started it.

Its standard input is a pipe that the starter holds and never writes to. However the starter ends, the pipe ends too,
and this process with it; the process that W&B starts ends with this one.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import Thread


def main() -> None:
    """Upload a folder of W&B's, and say so on stderr as W&B does."""
    Thread(target=_end_with_starter, daemon=True).start()
    from wandb.cli.cli import cli

    cli(["sync", sys.argv[1]], prog_name="wandb")


def _end_with_starter() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)


if __name__ == "__main__":
    main()
