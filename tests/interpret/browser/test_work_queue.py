"""Work that waits for its turn: one at a time, so many that wait, and so long."""

from __future__ import annotations

import asyncio
import threading

import pytest

from alignbench.interpret.browser.work_queue import BusyError, WorkQueue


def test_one_piece_is_done_at_a_time_in_the_order_in_which_they_came() -> None:
    began: list[int] = []
    at_once: list[int] = []
    inside = 0

    def piece(number: int) -> int:
        nonlocal inside
        inside += 1
        began.append(number)
        at_once.append(inside)
        inside -= 1
        return number * number

    async def all_of_them() -> list[int]:
        queue = WorkQueue("it", 1, 50, 30)
        found = await asyncio.gather(*(queue.run(lambda number=number: piece(number)) for number in range(20)))  # type: ignore[misc]
        assert queue.taken == 0
        queue.close()
        return list(found)

    assert asyncio.run(all_of_them()) == [number * number for number in range(20)]
    assert began == list(range(20))
    assert set(at_once) == {1}


def test_who_comes_when_too_many_wait_is_told_so_and_those_who_wait_are_counted() -> None:
    free = threading.Event()

    async def visits() -> tuple[list[bool], int]:
        queue = WorkQueue("the model", 1, 2, 30)
        waiting = [asyncio.ensure_future(queue.run(lambda: free.wait(20))) for _ in range(3)]
        await asyncio.sleep(0)
        taken = queue.taken
        with pytest.raises(BusyError, match="the model is busy, and 2 wait: try again in a moment"):
            await queue.run(lambda: True)
        free.set()
        found = [await each for each in waiting]
        queue.close()
        return found, taken

    assert asyncio.run(visits()) == ([True, True, True], 3)


def test_what_takes_too_long_is_given_up_and_what_had_not_begun_never_begins() -> None:
    free = threading.Event()
    begun: list[str] = []

    async def visits() -> None:
        queue = WorkQueue("the model", 1, 5, 0.05)
        first = asyncio.ensure_future(queue.run(lambda: free.wait(20)))
        second = asyncio.ensure_future(queue.run(lambda: begun.append("second")))
        for each in (first, second):
            with pytest.raises(BusyError, match=r"the model takes longer than 0.05 s"):
                await each
        assert queue.taken == 1, "the first is still worked on, and whoever comes next waits for it"
        free.set()
        queue.close()

    asyncio.run(visits())
    assert begun == []


def test_what_goes_wrong_in_a_piece_goes_to_whoever_asked_for_it() -> None:
    async def visit() -> None:
        queue = WorkQueue("it", 1, 5, 30)
        with pytest.raises(ZeroDivisionError):
            await queue.run(lambda: 1 // 0)
        assert await queue.run(lambda: 3) == 3
        queue.close()

    asyncio.run(visit())
