"""Signals as a command in a terminal finds them: a shell starts what runs in the background with some ignored."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from alignbench.cli.signals import ENDINGS


@contextmanager
def as_in_a_terminal() -> Iterator[None]:
    """Have the signals that end a command do so within, whatever the tests were started by."""
    ours = dict.fromkeys(ENDINGS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in ours.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
