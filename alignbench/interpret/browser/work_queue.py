"""Work that waits for its turn: so many pieces at a time, so many that wait, and so long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from alignbench.errors import AlignbenchError

R = TypeVar("R")


class BusyError(AlignbenchError):
    """There is more to do than can wait, or it has taken too long."""


class WorkQueue:
    """A few threads that do one piece of work after the other.

    Args:
        name: What the work is done by, such as `the model`.
        workers: Pieces at a time.
        most: Pieces that may wait.
        seconds: Longest time from when a piece begins to wait until it is done.
    """

    def __init__(self, name: str, workers: int, most: int, seconds: float) -> None:
        self.name, self._workers, self._most, self._seconds = name, workers, most, seconds
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name.replace(" ", "-"))
        self._open: set[Future[object]] = set()

    @property
    def taken(self) -> int:
        """Pieces that are worked on or wait."""
        return sum(not each.done() for each in tuple(self._open))

    async def run(self, work: Callable[[], R]) -> R:
        """Do a piece of work when its turn has come; to be called from one event loop alone.

        Raises:
            BusyError: If too many wait, or it takes too long. What has not begun by then never will.
        """
        if self.taken >= self._workers + self._most:
            raise BusyError(f"{self.name} is busy, and {self._most} wait: try again in a moment")
        future = self._pool.submit(work)
        self._open.add(future)  # type: ignore[arg-type]
        future.add_done_callback(self._open.discard)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError as error:
            raise BusyError(f"{self.name} takes longer than {self._seconds:g} s: ask for less, or later") from error

    def close(self) -> None:
        """Begin nothing more, and do not wait for what is worked on."""
        self._pool.shutdown(wait=False, cancel_futures=True)
