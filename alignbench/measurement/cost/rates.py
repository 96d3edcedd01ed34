"""How fast things go: assumed rates by kind of device, as data, or what a short trial shows on this machine.

Assumed rates are round numbers of the right size, for deciding between one machine and many. They come from no
measurement of the job at hand, and whatever shows them says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from alignbench.errors import unknown
from alignbench.extraction.host import usable_cores

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.models.cost import TowerCost
    from alignbench.models.towers import Tower


@dataclass(frozen=True)
class Rates:
    """What a rank does in a second.

    Attributes:
        forward: Operations of a tower (FLOP).
        products: Operations of float32 matrix products (FLOP).
        pictures: Pictures that one core decodes and resizes, by the suffix of their files.
        cores: Number of cores that decode for the rank.
        same_cores: Whether the tower runs on these cores as well: decoding and forward pass then add up, and ranks on
            one machine share them.
        link: Bytes that arrive from other ranks.
        origin: Where these numbers are from.
    """

    forward: float
    products: float
    pictures: Mapping[str, float]
    cores: float
    same_cores: bool
    link: float
    origin: str

    def shared_by(self, devices: int) -> Rates:
        """The rates of each of several ranks on one machine."""
        if not self.same_cores:
            return self
        forward, products, cores = (rate / devices for rate in (self.forward, self.products, self.cores))
        return replace(self, forward=forward, products=products, cores=cores)

    def with_images(self, per_second: float, flops: int) -> Rates:
        """The same with a known number of forward passes a second, each of so many operations."""
        return replace(
            self, forward=per_second * flops, origin=f"given: {per_second:g} images/s a process; all else {self.origin}"
        )


@dataclass(frozen=True)
class _Kind:
    """A kind of device; everything here is assumed.

    Attributes:
        tera: TFLOP/s of a tower in batches by precision: a good part of the peak, which no model reaches.
        products: TFLOP/s of float32 matrix products.
        link: GB/s between ranks.
        unit: What has these rates: a core or a GPU.
    """

    tera: Mapping[str, float]
    products: float
    link: float
    unit: str


_ASSUMED: Final = {
    "cpu": _Kind({"fp32": 0.09, "bf16": 0.25, "fp16": 0.09}, 0.08, 1.0, "core (bf16: with AMX)"),
    "a100": _Kind({"fp32": 13.0, "bf16": 130.0, "fp16": 130.0}, 13.0, 20.0, "GPU"),
    "h100": _Kind({"fp32": 40.0, "bf16": 300.0, "fp16": 300.0}, 40.0, 20.0, "GPU"),
}
DEVICES: Final = tuple(_ASSUMED)
_PICTURES: Final = {".bmp": 600.0, ".jpg": 430.0, ".png": 55.0}  # assumed: at 512x384, 512x384 and 768x768
_OTHER: Final = 200.0  # assumed of others
_CORES: Final = 8  # assumed beside each GPU
_SQUARE: Final = 2048  # side of the matrices of a trial


def assumed_rates(device: str, precision: str) -> Rates:
    """Give the assumed rates of a rank that is alone on its device.

    Args:
        device: One of `DEVICES`; `cpu` has as many cores as this machine.
        precision: Precision of the tower.

    Raises:
        UsageError: If there is no such kind; names the nearest.
    """
    if device not in _ASSUMED:
        raise unknown("kind of device", device, _ASSUMED)
    kind, is_cpu = _ASSUMED[device], device == "cpu"
    cores = usable_cores() if is_cpu else _CORES
    units = cores if is_cpu else 1
    decoding = ", ".join(f"{rate:.0f} {suffix[1:].upper()}" for suffix, rate in _PICTURES.items())
    origin = (
        f"assumed, not measured: {device}, {kind.tera[precision]:g} TFLOP/s a {kind.unit} in {precision}, "
        f"{kind.products:g} TFLOP/s in matrix products; pictures a second and core: {decoding}; "
        f"{cores} cores {'here' if is_cpu else 'a GPU'}; {kind.link:g} GB/s to each process"
    )
    rate = 1e12 * units
    return Rates(kind.tera[precision] * rate, kind.products * rate, _PICTURES, cores, is_cpu, kind.link * 1e9, origin)


def picture_seconds(rates: Rates, pictures: Mapping[str, int]) -> float:
    """Seconds of one core for an average picture.

    Args:
        rates: What a rank does in a second.
        pictures: Number of pictures by the suffix of their files.
    """
    total = sum(count / rates.pictures.get(suffix, _OTHER) for suffix, count in pictures.items())
    return total / max(1, sum(pictures.values()))


def measured_rates(
    tower: Tower,
    cost: TowerCost,
    precision: str,
    batch_size: int,
    some: Mapping[str, Sequence[Callable[[], Image.Image]]],
) -> Rates:
    """Measure the rates of a rank alone on this machine: a batch of a tower, a product of matrices, and a few pictures.

    Args:
        tower: The tower, with any weights.
        cost: Cost of its forward pass.
        precision: Precision of the tower.
        batch_size: Number of pictures in the batch.
        some: Functions that open a few pictures, by the suffix of their files.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    is_cpu = device.type == "cpu"
    pixels = torch.zeros(batch_size, 3, cost.side, cost.side, dtype=torch.uint8, device=device)
    square = torch.ones(_SQUARE, _SQUARE, device=device)
    batch = _seconds(partial(_run, tower.to(device), pixels, precision))
    product = _seconds(lambda: (square @ square)[0, 0].item())
    pictures = {**_PICTURES, **{suffix: _pictures_a_second(tower, opens) for suffix, opens in some.items()}}
    decoding = ", ".join(f"{pictures[suffix]:.0f} {suffix[1:].upper()}" for suffix in some)
    forward, link = cost.flops * batch_size / batch, _ASSUMED["cpu" if is_cpu else "h100"].link
    origin = (
        f"measured here: {device.type}, one batch of {batch_size} in {precision} with random weights, "
        f"{batch_size / batch:.1f} images/s, {forward / 1e12:.3g} TFLOP/s"
        f"{'; pictures a second and core: ' + decoding if some else ''}; "
        f"assumed: {'' if some else 'decoding, '}{link:g} GB/s to each process"
    )
    cores = usable_cores() / (1 if is_cpu else torch.cuda.device_count())
    return Rates(forward, 2 * _SQUARE**3 / product, pictures, cores, is_cpu, link * 1e9, origin)


def _run(tower: Tower, pixels: Tensor, precision: str) -> None:
    """Run one forward pass, and wait for its end."""
    import torch

    low = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with torch.inference_mode(), torch.autocast(pixels.device.type, low, enabled=low is not None):
        tower(pixels)
    if pixels.device.type == "cuda":
        torch.cuda.synchronize()


def _pictures_a_second(tower: Tower, opens: Sequence[Callable[[], Image.Image]]) -> float:
    """Time the opening and preparing of some pictures."""
    start = time.perf_counter()
    for open_picture in opens:
        tower.prepare(open_picture())
    return len(opens) / (time.perf_counter() - start)


def _seconds(work: Callable[[], object]) -> float:
    """Time some work twice, and return the shorter time: the first may pay for setting things up."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
