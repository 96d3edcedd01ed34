"""How a tower is run: on which processes and devices, in which precision and batches, with how much memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from PIL import Image
from torch import nn

from alignbench.extraction.distributed import Ranks
from alignbench.extraction.host import memory_kept
from alignbench.models.towers import Tower

_SIZES: Final = {"cpu": (8, 16, 32), "cuda": (16, 32, 64, 128, 256, 512)}
_NEAR: Final = 0.97  # share of the best throughput that is as good: small batches keep fewer features at once
_LONG: Final = 4.0  # seconds of one batch after which nothing larger is tried

LOW_PRECISION: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_CAST = (nn.Linear, nn.Conv2d)  # what autocast casts all weights of


@dataclass(frozen=True)
class Execution:
    """How a source is run; nothing here changes a result beyond rounding, except `view` and `precision`.

    Attributes:
        ranks: The processes that share the work, and the device of this one.
        view: Token view: `all`, `cls` or `mean`.
        precision: `fp32`, or `bf16` or `fp16` for the tower under autocast (everything after it stays float32).
        batch_size: Images a batch.
        workers: Loader processes of each rank; none for a default.
        feature_memory: Bytes of features that a rank keeps at the same time; as many again for what it keeps per pair
            and channel, and what exceeds those lies in a file.
        compiled: Whether the tower is compiled.
    """

    ranks: Ranks
    view: str = "all"
    precision: str = "fp32"
    batch_size: int = 16
    workers: int | None = None
    feature_memory: int = 4_000_000_000
    compiled: bool = False


@contextmanager
def lowered(model: nn.Module, precision: str) -> Iterator[None]:
    """Hold the weights of linear and convolution layers in a low precision, and put them back in the end.

    Autocast casts them to the same numbers for every batch, since it keeps nothing in inference mode. All else stays
    as it is.

    Args:
        model: The model, to be run under autocast.
        precision: `fp32`, for which nothing is done, `bf16` or `fp16`.
    """
    low = LOW_PRECISION.get(precision)
    held = [
        (module, name, weight)
        for module in model.modules()
        if low is not None and type(module) in _CAST
        for name, weight in module.named_parameters(recurse=False)
        if weight.dtype == torch.float32
    ]
    try:
        for module, name, weight in held:
            setattr(module, name, nn.Parameter(weight.detach().to(low), requires_grad=False))
        yield
    finally:
        for module, name, weight in held:
            setattr(module, name, weight)


def fastest_batch(tower: Tower, device: torch.device, precision: str) -> int:
    """The smallest batch whose throughput comes within 3 % of the best; what does not fit memory is passed over.

    Args:
        tower: The model; left where it is, a copy of its place is restored.
        device: Device on which it is to run.
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
