"""What predict loops over pictures share: pixels go to the device, a damaged picture ends it, progress is told."""

from __future__ import annotations

from collections.abc import Callable

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from alignbench.errors import DataError
from alignbench.extraction.execution import LOW_PRECISION

Batch = tuple[Tensor, Tensor]


class PixelLoop(lightning.LightningModule):
    """A module whose batches are pixels and the indices of their pictures, or the error of one.

    Args:
        precision: `fp32`, or `bf16` or `fp16` for what runs in `lowered`.
    """

    def __init__(self, precision: str) -> None:
        super().__init__()
        self.precision = precision

    def transfer_batch_to_device(self, batch: Batch | DataError, device: torch.device, dataloader_idx: int) -> object:
        """Pixels go to the device while it computes; indices are for this side."""
        if isinstance(batch, DataError):
            return batch
        return batch[0].to(device, non_blocking=True), batch[1]

    def autocast(self) -> torch.autocast:
        """Run the tower in its precision; whoever takes its features makes them float32 again."""
        low = LOW_PRECISION.get(self.precision)
        return torch.autocast(self.device.type, low, enabled=low is not None)


def unpack_batch(batch: Batch | DataError) -> Batch:
    """The pixels of a batch and their indices.

    Raises:
        DataError: If one of its pictures is damaged.
    """
    if isinstance(batch, DataError):
        raise batch
    return batch


class Feed(Callback):
    """Tells of every batch that went through how many pictures it had.

    Args:
        advanced: Called after each batch with its number of pictures.
    """

    def __init__(self, advanced: Callable[[int], None]) -> None:
        self.advanced = advanced

    def on_predict_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """See `Callback`."""
        self.advanced(len(batch[1]))
