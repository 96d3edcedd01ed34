"""How long a test waits for what takes a second on an idle machine: a busy one fails nothing that would have come."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 300.0


def wait_for(condition: Callable[[], object]) -> None:
    """Look again and again until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
