"""What this machine has, and how memory is asked of it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h
_KEPT: Final = 512_000_000  # bytes: the tensors of one batch that come and go
_LARGEST: Final = 32 * 1024**2  # bytes: what glibc allows, and where its own adjustment ends; with twice that to trim


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep memory that is freed for what is asked next, and give it back in the end; without glibc, do nothing.

    A forward pass on the CPU asks for the same blocks batch after batch. By default glibc returns those at the end of
    its heap at once, and the kernel clears all their pages again: a tenth of the time of a pass.
    """
    glibc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if glibc is None or not hasattr(glibc, "malloc_trim"):
        yield
        return
    glibc.mallopt(_MMAP_THRESHOLD, _LARGEST)
    glibc.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        glibc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        glibc.malloc_trim(0)
