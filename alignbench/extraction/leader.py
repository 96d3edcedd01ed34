"""A rank that another process of this machine has started ends with that one, from its first moment on.

The package calls `end_with_leader` as the first thing in such a rank, before it imports anything heavy.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

LEADER: Final = "ALIGNBENCH_LEADER"  # the process, and its thread, that start a rank
_END_WITH_PARENT: Final = 1  # of Linux: PR_SET_PDEATHSIG
_SECONDS: Final = 1.0  # between two looks at the parent, where the kernel does not tell
_led: list[int] = []


@contextmanager
def leading() -> Iterator[None]:
    """Tell the processes that are started meanwhile that they are ranks which this process leads."""
    os.environ[LEADER] = f"{os.getpid()} {threading.get_native_id()}"
    try:
        yield
    finally:
        os.environ.pop(LEADER, None)


def is_led() -> bool:
    """Whether this process is a rank that ends with its leader, and leaves it to that one to speak."""
    return os.getpid() in _led


def end_with_leader() -> None:
    """End this process when its leader has ended, if it is a rank that one of this machine has started.

    The kernel ends it where it can, also within imports and while it waits for other ranks. Ctrl-C is for the leader
    alone.
    """
    leader, _, thread = os.environ.pop(LEADER, "").partition(" ")  # what this process starts is led by nobody
    if not leader.isdigit():
        return
    _led.append(os.getpid())
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if leader == thread:  # the kernel looks at the thread that started this process; a main thread ends with its own
        _ask_kernel()
    if os.getppid() != int(leader):  # it ended before the kernel was asked
        os._exit(1)
    threading.Thread(target=_watch, args=(int(leader),), daemon=True).start()


def _ask_kernel() -> None:
    import ctypes

    with suppress(AttributeError, OSError):  # not Linux
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)


def _watch(leader: int) -> None:
    while os.getppid() == leader:
        time.sleep(_SECONDS)
    os._exit(1)
