"""What this machine has, and how memory is asked of it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h
_KEPT: Final = 512_000_000  # bytes: the tensors of one batch that come and go
_LARGEST: Final = 32 * 1024**2  # bytes: what glibc allows, and where its own adjustment ends; with twice that to trim


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """Do a small piece of work for each of many items, as many at a time as there are cores.

    Each piece has one core: several threads that wait for each other after every small step take many times as long
    where other processes want the cores too. What is worked out does not depend on the number of cores.

    Args:
        work: The work, in NumPy or PyTorch, which give the cores free.
        items: The items; they are made in the calling thread, in their order, and few ahead of their turn.
        workers: Pieces at a time; none for the cores that this process may use.

    Yields:
        The results, in the order of the items.
    """
    import torch
    from threadpoolctl import threadpool_limits

    count, threads = workers or usable_cores(), torch.get_num_threads()
    with threadpool_limits(1), ThreadPoolExecutor(count) as pool:
        torch.set_num_threads(1)
        try:
            waiting: deque[Future[R]] = deque()
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            torch.set_num_threads(threads)


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
