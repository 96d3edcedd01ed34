"""The batch size that a tower takes best on a device, found by trying."""

from __future__ import annotations

import time
from typing import Final

import torch
from PIL import Image

from alignbench.extraction.low_precision import LOW_PRECISION, lowered
from alignbench.machine import memory_kept
from alignbench.models.towers import Tower

_SIZES: Final = {"cpu": (8, 16, 32), "cuda": (16, 32, 64, 128, 256, 512)}
_NEAR: Final = 0.97  # share of the best throughput that is as good: small batches keep fewer features at once
_LONG: Final = 4.0  # seconds of one batch after which nothing larger is tried


def fastest_batch(tower: Tower, device: torch.device, precision: str) -> int:
    """The smallest batch whose throughput comes within 3 % of the best; what does not fit memory is passed over.

    Args:
        tower: The model; left where it is, a copy of its place is restored.
        device: Where it is to run.
        precision: `fp32`, `bf16` or `fp16`.
    """
    side = int(tower.prepare(Image.new("RGB", (64, 64))).shape[-1])
    sizes = _SIZES[device.type]
    tower.to(device)
    with lowered(tower, precision), memory_kept():
        return _fastest(tower, sizes, side, device, precision)


def _fastest(tower: Tower, sizes: tuple[int, ...], side: int, device: torch.device, precision: str) -> int:
    rates: dict[int, float] = {}
    _seconds(tower, torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device), precision)
    for size in sizes:
        try:
            pixels = torch.zeros(size, 3, side, side, dtype=torch.uint8, device=device)
            seconds = min(_seconds(tower, pixels, precision) for _ in range(2))
        except torch.OutOfMemoryError:
            break
        rates[size] = size / seconds
        if seconds > _LONG:
            break
    best = max(rates.values(), default=0.0)
    return next((size for size, rate in rates.items() if rate >= _NEAR * best), sizes[0])


def _seconds(tower: Tower, pixels: torch.Tensor, precision: str) -> float:
    low = LOW_PRECISION.get(precision)
    start = time.perf_counter()
    with torch.inference_mode(), torch.autocast(pixels.device.type, low, enabled=low is not None):
        tower(pixels)
    if pixels.device.type == "cuda":
        torch.cuda.synchronize(pixels.device)
    return time.perf_counter() - start
