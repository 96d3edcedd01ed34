"""What is decomposed into a store, and how: nothing heavy is imported to find out that it is impossible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignbench.errors import UsageError, unknown

STAGE: Final = "heads"
LAYERS: Final = ("last4", "all")
STORED_TYPES: Final = ("fp32", "fp16", "bf16")


@dataclass(frozen=True)
class StoreJob:
    """What is stored, and where.

    Attributes:
        layers: `last4`, or `all`: of which layers the heads are kept one by one.
        dtype: What numbers are kept in: `fp32`, `fp16` or `bf16`. They are computed, and add up, in float32.
        output: Folder of the folders of stores.
        devices: Processes of this machine that share the pictures.
        overwrite: Whether a finished store is made again.
        class_token: Whether the part of each layer's attention is kept too that is read of the class token itself.
    """

    layers: str = "last4"
    dtype: str = "fp32"
    output: Path = Path(STAGE)
    devices: int = 1
    overwrite: bool = False
    class_token: bool = False

    def checked(self) -> StoreJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        if self.layers not in LAYERS:
            raise unknown("--layers", self.layers, LAYERS)
        if self.dtype not in STORED_TYPES:
            raise unknown("--dtype", self.dtype, STORED_TYPES)
        if self.devices < 1:
            raise UsageError(f"--devices {self.devices}: give 1 or more")
        return self
