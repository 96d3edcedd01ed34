"""Tensors in a file without a name: what outgrows memory, and leaves nothing behind however the process ends."""

from __future__ import annotations

import mmap
import os
import tempfile

import torch
from torch import Tensor

from alignbench.errors import AlignbenchError


def mapped_zeros(rows: int, columns: int) -> Tensor:
    """A float32 tensor of zeros that lives in a file of the folder for temporary files (`TMPDIR`).

    The file is unlinked as it is opened. Its room is claimed at once, since a disk that fills up later would end the
    process by a signal.

    Args:
        rows: First dimension.
        columns: Second dimension.

    Raises:
        AlignbenchError: If there is no room for it.
    """
    size = rows * columns * 4
    try:
        with tempfile.TemporaryFile(prefix="alignbench-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise AlignbenchError(
            f"{tempfile.gettempdir()} has no room for {size / 1e9:.1f} GB of differences per pair and channel "
            f"({error.strerror}): set TMPDIR to a folder that has, or raise --feature-memory"
        ) from error
    return torch.frombuffer(mapped, dtype=torch.float32).view(rows, columns)
