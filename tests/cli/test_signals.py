"""Signals end a command once, in good order where it can be interrupted, and its process where it cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from alignbench.cli.signals import ENDINGS, listening
from patience import PATIENCE


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number in ENDINGS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDINGS)
def test_only_the_first_signal_interrupts(number: signal.Signals) -> None:
    with listening() as ending:
        ending.arm()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        for other in ENDINGS:
            signal.raise_signal(other)
        assert ending.number == number
    assert {signal.getsignal(number) for number in ENDINGS} == {signal.SIG_DFL}


def test_what_comes_too_early_interrupts_as_soon_as_there_is_something_to_interrupt() -> None:
    with listening() as ending:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            ending.arm()


def test_what_comes_too_late_interrupts_nothing() -> None:
    with listening() as ending:
        ending.arm()
        ending.disarm()
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_a_signal_that_is_someone_elses_stays_so(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGHUP, handler)  # as nohup does
    with listening():
        assert signal.getsignal(signal.SIGHUP) == handler
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, handler)


def test_its_thread_ends_with_the_command() -> None:
    with listening():
        [thread] = [each for each in threading.enumerate() if each.name == "signals"]
    thread.join(PATIENCE)
    assert not thread.is_alive()


PLAY = """
import os, signal, sys, threading, time
from alignbench.cli import signals
from alignbench.cli.signals import listening
signals._GRACE, signals._MOST = {grace}, {most}
for number in signals.ENDINGS:
    signal.signal(number, signal.SIG_DFL)
with listening(for_good=True) as ending:
    ending.arm()
{lines}
"""
WAITS = """
    import ctypes
    library = ctypes.CDLL(None)
    library.PyThread_allocate_lock.restype = ctypes.c_void_p
    lock = ctypes.c_void_p(library.PyThread_allocate_lock())
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    for _ in range(2):
        library.PyThread_acquire_lock(lock, 1)  # goes on waiting when a signal comes
"""
SLOW = """
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except KeyboardInterrupt:
        {then}
        time.sleep(60)
"""
FORKED = """
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    time.sleep(0.3)
    print(ending.number)
"""


def play(lines: str, grace: float = 60.0, most: float = 60.0) -> subprocess.CompletedProcess[str]:
    code = PLAY.format(lines=lines, grace=grace, most=most)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)


def check_ended(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 143
    assert done.stderr.startswith("alignbench: terminated: finished runs are kept, what is half-written is removed by ")
    assert done.stderr.count("\n") == 1


def test_a_process_that_waits_within_a_library_ends_after_a_moment() -> None:
    check_ended(play(WAITS, grace=0.2))


def test_a_process_that_takes_too_long_to_end_is_ended() -> None:
    check_ended(play(SLOW.format(then="pass"), most=0.3))


def test_a_second_signal_ends_a_process_that_had_its_time_for_the_first() -> None:
    check_ended(play(SLOW.format(then="time.sleep(0.3); os.kill(os.getpid(), signal.SIGINT)"), grace=0.1))


def test_what_is_forked_ends_by_itself_and_the_process_has_heard_nothing() -> None:
    done = play(FORKED, grace=0.1)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["-15", "None"]
