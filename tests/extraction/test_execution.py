"""Weights that are cast once, and memory that is kept."""

import ctypes
import os
import subprocess
import sys

import pytest
import torch

from alignbench.extraction.execution import lowered
from alignbench.models.families import load_tower
from documented import ROOT
from folders import Folders


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_features_are_bit_for_bit_those_of_autocast(tiny_tower: Folders, family: str) -> None:
    tower = load_tower(str(tiny_tower(family)))
    before = dict(tower.named_parameters())
    side = tower.prepare(__import__("PIL.Image").Image.new("RGB", (64, 64))).shape[-1]
    pixels = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)

    def embed() -> torch.Tensor:
        found = []
        hook = tower.get_submodule(tower.layers[-1].module).register_forward_hook(lambda m, a, out: found.append(out))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            tower(pixels)
        hook.remove()
        return found[0]

    plain = embed()
    with lowered(tower, "bf16"):
        assert {p.dtype for p in tower.parameters()} >= {torch.bfloat16}
        assert torch.equal(embed(), plain)
    with pytest.raises(RuntimeError, match="stop"), lowered(tower, "bf16"):
        raise RuntimeError("stop")
    after = dict(tower.named_parameters())
    assert all(after[name] is before[name] for name in before)
    with lowered(tower, "fp32"):
        assert all(p.dtype == torch.float32 for p in tower.parameters())


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
