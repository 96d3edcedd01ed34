"""A leader ends in good order when a rank that it has started is gone, wherever it is then."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from typing import Final

from alignbench.errors import LostRankError

_LOGGER: Final = "lightning.fabric.strategies.launchers.subprocess_script"
_SECONDS: Final = 2.0  # to notice by itself, and then to end


def notice_ended_ranks() -> None:
    """Have the thread that calls this raise a LostRankError when a rank has ended, or else the process ended.

    Lightning's observer of the ranks says that one has ended, and would kill this process then, whatever it writes.
    """
    sharer = threading.get_ident()

    def end(record: logging.LogRecord) -> bool:
        if "terminated with code" in record.getMessage():
            _end(sharer)
        return record.levelno >= logging.WARNING

    logger = logging.getLogger(_LOGGER)
    logger.setLevel(logging.INFO)
    logger.addFilter(end)


def _end(sharer: int) -> None:
    """Let a thread notice by itself, by what it shares with the lost rank; raise an error there; end the process."""
    time.sleep(_SECONDS)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(sharer), ctypes.py_object(LostRankError))
    time.sleep(_SECONDS)
    print(f"alignbench: {LostRankError()}", file=sys.stderr, flush=True)  # noqa: T201  the last that it does
    os._exit(LostRankError.exit_code)
