"""What a machine gives to a run: memory that is kept."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import torch

from alignbench.extraction.host import side_by_side
from documented import ROOT

ALLOCATOR = """
import ctypes, resource, torch
from contextlib import nullcontext
from alignbench.extraction.host import memory_kept

class MallInfo(ctypes.Structure):
    names = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    _fields_ = [(name, ctypes.c_int) for name in names]

glibc = ctypes.CDLL(None)
glibc.mallinfo.restype = MallInfo

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

for where in (nullcontext(), memory_kept()):
    with where:
        before = glibc.mallinfo()
        blocks = [torch.ones(2_000_000) for _ in range(6)]  # 8 MB each
        mapped = glibc.mallinfo().hblkhd - before.hblkhd
        del blocks
        free = glibc.mallinfo().fordblks - before.fordblks
        held = resident()
    print(mapped, free, held - resident())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"
)
def test_freed_blocks_are_kept_and_given_back_in_the_end() -> None:
    """By default large blocks are mapped by the kernel; glibc's own raising of that threshold is off here."""
    root, fixed = ROOT, {"MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", ALLOCATOR], capture_output=True, text=True, check=True, cwd=root, env=os.environ | fixed
    )
    by_default, kept = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    mapped, free, _ = by_default
    assert mapped >= 48_000_000
    assert free < 1_000_000
    mapped, free, returned = kept
    assert mapped == 0
    assert free >= 40_000_000
    assert returned > 20_000_000


def test_pieces_of_work_come_in_order_each_on_one_core() -> None:
    threads = torch.get_num_threads()
    seen: list[int] = []

    def items() -> Iterator[int]:
        for number in range(40):
            seen.append(number)
            yield number

    def work(number: int) -> tuple[int, int]:
        time.sleep(0.002 * (number % 3))
        return number, torch.get_num_threads()

    found = side_by_side(work, items(), workers=4)
    assert next(found) == (0, 1)
    assert len(seen) <= 6, "few are made ahead of their turn"
    assert list(found) == [(number, 1) for number in range(1, 40)]
    assert torch.get_num_threads() == threads


def test_what_a_piece_of_work_raises_is_raised_in_its_turn() -> None:
    threads = torch.get_num_threads()
    found = side_by_side(lambda number: 1 // number, iter([2, 1, 0, 3]), workers=2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert torch.get_num_threads() == threads
