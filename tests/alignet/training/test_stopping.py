"""Signals are heard after a block, and have the effect then that they would have had."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from alignbench.alignet.training.stopping import finishing_steps


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _finish_a_step(done: list[object]) -> None:
    with finishing_steps() as stop:
        done.append(stop.asked)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # a second one changes nothing
        done.append(stop.asked)


def test_what_a_handler_raises_comes_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGTERM, _interrupt)
    done: list[object] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            _finish_a_step(done)
        assert done == [None, signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is _interrupt
    finally:
        signal.signal(signal.SIGTERM, before)


def test_without_a_handler_the_process_ends_after_the_block() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with finishing_steps():
            os.kill(os.getpid(), signal.SIGTERM)
            os.write(writer, b"finished")
        os._exit(0)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert os.read(reader, 100) == b"finished"
    os.close(reader)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with finishing_steps() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.asked is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_changed() -> None:
    found: list[object] = []

    def work() -> None:
        handler = signal.getsignal(signal.SIGTERM)
        with finishing_steps() as stop:
            found.extend([signal.getsignal(signal.SIGTERM) is handler, stop.asked])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True, None]
