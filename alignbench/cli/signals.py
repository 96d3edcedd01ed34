"""Signals that end a command: the first interrupts it, and where it cannot be interrupted, its process is ended.

Python tells a program of a signal between two of its own steps. While it waits for another process within a library
there are none, so a thread hears of signals too.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

ENDINGS: Final = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
_DEFAULTS: Final = (signal.SIG_DFL, signal.default_int_handler)
_GRACE: Final = 5.0  # seconds until the program has to hear of a signal; a second one has an effect after that
_MOST: Final = 90.0  # seconds that it may take to end in good order
_STOP: Final = 0  # where the number of a signal is expected: there is nothing more to watch


class Ending:
    """What is known of the end of a command.

    Attributes:
        number: The first signal that was received, if any.
        told: Whether the user was told.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.told = False
        self.heard = threading.Event()
        self._armed = False

    def arm(self) -> None:
        """Raise KeyboardInterrupt from now on, and at once for a signal that has come before."""
        self._armed = True
        if self.number is not None:
            raise KeyboardInterrupt

    def disarm(self) -> None:
        """Raise nothing more: the command is over."""
        self._armed = False

    def hear(self, number: int) -> None:
        """Take note of the first signal; those that follow would disturb what it sets off."""
        if self.number is None:
            self.number = number
            self.heard.set()
            if self._armed:
                raise KeyboardInterrupt


@contextmanager
def listening(for_good: bool = False) -> Iterator[Ending]:
    """Have the first of the signals that end a command raise KeyboardInterrupt in the main thread, while it is armed.

    A signal that someone handles already, or that is ignored, is left so.

    Args:
        for_good: Whether the process ends with the command: a signal then finds nothing more to interrupt.
    """
    ending = Ending()
    in_main = threading.current_thread() is threading.main_thread()
    ours = {number: signal.getsignal(number) for number in ENDINGS if in_main and signal.getsignal(number) in _DEFAULTS}
    handle = _handler(ending, ours)
    for number in ours:
        signal.signal(number, handle)
    watch = _Watch(ending) if ours else None
    try:
        yield ending
    finally:
        if for_good:
            after = signal.SIG_DFL if ending.number is None else signal.SIG_IGN
            ours = dict.fromkeys(ours, after)
        for number, before in ours.items():
            signal.signal(number, before)
        if watch is not None and not (for_good and ending.number):
            watch.stop()


def _handler(ending: Ending, before: dict[signal.Signals, Any]) -> Callable[[int, object], None]:
    process = os.getpid()

    def handle(number: int, _: object) -> None:
        if os.getpid() != process:  # what was forked here ends as it would without this
            signal.signal(number, before[signal.Signals(number)])
            os.kill(os.getpid(), number)
        else:
            ending.hear(number)

    return handle


class _Watch:
    """A thread that hears of signals whatever the main thread does, and ends the process where that does not.

    Args:
        ending: What the main thread has heard.
    """

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self._pipe, self._signals = os.pipe()
        os.set_blocking(self._signals, False)
        self._before = signal.set_wakeup_fd(self._signals, warn_on_full_buffer=False)
        _watching.append(os.getpid())
        threading.Thread(target=self._run, daemon=True, name="signals").start()

    def stop(self) -> None:
        """End the thread, and tell whom Python told before."""
        signal.set_wakeup_fd(self._before)
        _watching.remove(os.getpid())
        self._ending.heard.set()
        os.write(self._signals, bytes([_STOP]))

    def _run(self) -> None:
        number = self._next()
        if number == _STOP:
            return
        began = time.monotonic()
        if self._ending.heard.wait(_GRACE):
            while (again := self._next(began + _MOST)) and time.monotonic() < began + _GRACE:
                pass
            if again == _STOP:
                return
        _end(self._ending, number)

    def _next(self, end: float | None = None) -> int | None:
        """Wait for a signal that ends a command, or for the word to stop; none if it has not come until the end."""
        while select.select([self._pipe], [], [], None if end is None else max(0.0, end - time.monotonic()))[0]:
            number = os.read(self._pipe, 1)[0]
            if number == _STOP:
                os.close(self._pipe)
                os.close(self._signals)
            if number == _STOP or number in ENDINGS:
                return number
        return None


def _end(ending: Ending, number: int | None) -> None:
    """End this process from another than the main thread, which can do nothing more, or does too long."""
    found = signal.Signals(ending.number or number or signal.SIGTERM)
    if not ending.told:
        left = "finished runs are kept, what is half-written is removed by the next command that writes there"
        os.write(2, f"alignbench: {ENDINGS[found]}: {left}\n".encode())
    os._exit(128 + found)


def _hold_signals() -> None:
    """Let what is about to be forked receive its first signals when they are its own."""
    _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop(threading.get_ident()))


def _begin_fork() -> None:
    """Signals of what was forked here are not told to the thread of the other process."""
    if _watching:
        _watching.clear()
        signal.set_wakeup_fd(-1)
    _release_signals()


_watching: list[int] = []
_masks: dict[int, set[int | signal.Signals]] = {}
os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals, after_in_child=_begin_fork)
