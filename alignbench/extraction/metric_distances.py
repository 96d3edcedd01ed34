"""From pictures to distances per pair for a plain pair metric: no model, no layers, the same flow of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alignbench.datasets.images import ImageSource
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.execution import Execution
from alignbench.extraction.loader import Item, Loading, OrderedImages, first_error, ordered_loader
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.schedule import Step
from alignbench.extraction.source import PairWorkload, SourceDistances
from alignbench.models.layer_names import IMAGE
from alignbench.models.pair_metrics import MovableMetric, PairMetric
from alignbench.models.preparation import Sized

COMMON_SIDE: Final = 224  # pixels: both pictures of a pair are brought to this square where they differ in size
_TOGETHER: Final = 16  # pairs handed to a metric at once


def _keep(items: list[Item[Tensor] | DataError]) -> list[Item[Tensor]] | DataError:
    return first_error(items) or [item for item in items if not isinstance(item, DataError)]


@dataclass(frozen=True)
class MetricSource:
    """A pair metric as a source: one distance, of whole pictures.

    Attributes:
        metric: The metric, after its `to` if it has one.
        side: Side in pixels to which all pictures are brought; none for their native size.
    """

    metric: PairMetric
    side: int | None
    layers: tuple[str, ...] = (IMAGE,)
    depths: tuple[float, ...] = (0.0,)
    streams_only: bool = True
    selection: None = None

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 over the metric's weights, where it has any."""
        return getattr(self.metric, "fingerprint", None)

    @property
    def prepare(self) -> Sized:
        """Brings a picture to the common side."""
        return Sized(self.side)

    def fastest_batch(self, execution: Execution) -> int:
        """See `Source.fastest_batch`; pairs go through a metric a few at a time whatever it is."""
        return _TOGETHER

    def distances(self, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> SourceDistances:
        """Distances of all pairs, by the one process that a metric needs.

        Where the two pictures of a pair differ in size, both are resized to 224 x 224 pixels first (PIL, bicubic). No
        picture may be smaller than the metric's `min_side`, not even one of those.

        Args:
            workload: The distances that are asked for.
            execution: Where and with how many loaders; a metric without `to` takes its pictures on the CPU.
            listener: Hears of every batch.

        Raises:
            DataError: If a picture is damaged or too small, or the two of a pair differ in size and the metric needs
                more than 224 pixels.
            AlignbenchError: If the metric gives a number that is not finite.
        """
        device = execution.ranks.device.type if isinstance(self.metric, MovableMetric) else "cpu"
        listener.planned(replace(workload.summary, device=device))
        schedule = workload.assignment.shards[0].schedule
        pictures = OrderedImages(workload.images, schedule.order, self.prepare, workload.pixels)
        loader = ordered_loader(pictures, _keep, Loading(schedule.batch_size, execution.workers))
        found, resized = np.full(len(workload.pairs), np.nan), 0
        slots: list[Tensor] = [torch.empty(0)] * schedule.slots
        for step, batch in zip(schedule.steps, loader, strict=True):
            if isinstance(batch, DataError):
                raise batch
            for slot, (pixels, index) in zip(step.slots.tolist(), batch, strict=True):
                _check_side(self.metric, workload.images.names[index], pixels)
                slots[slot] = pixels
            for rows, differ in _alike(step, slots):
                chosen = step.pairs[rows]
                name_pair = partial(_name_pair, workload.images, workload.pairs[chosen])
                if differ:
                    _check_common_side(self.metric, name_pair(0))
                    resized += len(chosen)
                ends = ([slots[slot] for slot in end[rows].tolist()] for end in (step.first, step.second))
                first, second = (_stacked(some, differ, device) for some in ends)
                found[chosen] = _distances(self.metric, first, second, name_pair)
            listener.advanced(len(batch))
        return SourceDistances(self.layers, self.depths, {self.metric.distance: found[None]}, device, resized=resized)


def _check_side(metric: PairMetric, name: str, pixels: Tensor) -> None:
    if min(pixels.shape[1:]) < metric.min_side:
        size = "x".join(map(str, reversed(pixels.shape[1:])))
        raise DataError(f"{name} is {size} pixels, and {metric.name} needs at least {metric.min_side}")


def _check_common_side(metric: PairMetric, names: str) -> None:
    if metric.min_side > COMMON_SIDE:
        raise DataError(
            f"{names} differ in size, and {metric.name} cannot take them at {COMMON_SIDE} x {COMMON_SIDE} pixels: "
            f"it needs at least {metric.min_side}"
        )


def _alike(step: Step, slots: list[Tensor]) -> list[tuple[list[int], bool]]:
    """Positions of pairs for one stack, at most 16, and whether the two pictures of each of these differ in size."""
    groups: dict[torch.Size | None, list[int]] = defaultdict(list)
    for position, (a, b) in enumerate(zip(step.first.tolist(), step.second.tolist(), strict=True)):
        groups[slots[a].shape if slots[a].shape == slots[b].shape else None].append(position)
    return [
        (positions[start : start + _TOGETHER], shape is None)
        for shape, positions in groups.items()
        for start in range(0, len(positions), _TOGETHER)
    ]


def _stacked(pictures: list[Tensor], resize: bool, device: str) -> Tensor:
    """Pictures as (n, 3, H, W) float32 in [0, 1] on a device, at their size or at the common one."""
    if resize:
        common = Sized(COMMON_SIDE)
        pictures = [common(Image.fromarray(picture.permute(1, 2, 0).numpy())) for picture in pictures]
    return torch.stack(pictures).to(device).float() / 255.0


def _name_pair(images: ImageSource, pairs: NDArray[np.int64], pair: int) -> str:
    """Name the two pictures of one of the pairs."""
    return " and ".join(images.names[int(image)] for image in pairs[pair])


def _distances(
    metric: PairMetric, first: Tensor, second: Tensor, name_pair: Callable[[int], str]
) -> NDArray[np.float64]:
    # a GPU's TF32 would leave convolutions three decimal places, and the variances of SSIM fewer
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        distances = metric(first, second).double().cpu().numpy()
    if not np.isfinite(distances).all():
        raise AlignbenchError(
            f"{metric.name} gave no finite number for {name_pair(int(np.argmin(np.isfinite(distances))))}"
        )
    return np.asarray(distances)
