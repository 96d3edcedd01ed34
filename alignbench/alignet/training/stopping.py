"""Signals that end training: the step that is under way is finished first, so that a checkpoint can be left."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """What is known of the end of training.

    Attributes:
        asked: The signal that asks for it, if one has come.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None


@contextmanager
def finishing_steps() -> Iterator[Stop]:
    """Take note of signals that end a process, instead of letting them; after the block they have their effect.

    Whoever handles them already hears of them at once, and what it raises is raised after the block. In another thread
    than the main one nothing is changed.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in ENDINGS}
    raised: list[BaseException] = []

    def take_note(number: int, frame: Any) -> None:
        handler = before[signal.Signals(number)]
        if stop.asked is None:
            stop.asked = signal.Signals(number)
            if callable(handler):
                try:
                    handler(number, frame)
                except BaseException as error:  # KeyboardInterrupt, as a rule
                    raised.append(error.with_traceback(None))  # which would keep alive what was interrupted

    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in taken:
        signal.signal(number, take_note)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, before[number])
    if raised:
        raise raised[0]
    if stop.asked is not None and before[stop.asked] == signal.SIG_DFL:
        os.kill(os.getpid(), stop.asked)
