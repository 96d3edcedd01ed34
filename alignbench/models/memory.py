"""Memory for a model's weights: what this machine cannot hold is refused, and what it could not give is said."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from alignbench.errors import ModelError, one_line

if TYPE_CHECKING:
    from torch import nn

_GIB: Final = 2**30
_LACKING: Final = re.compile(r"allocate memory|enough memory|out of memory|bad_alloc", re.IGNORECASE)


def refuse_larger_than_memory(name: str, skeleton: nn.Module) -> None:
    """Refuse to draw weights that this machine cannot hold.

    Args:
        name: The model's name, for messages.
        skeleton: The tower, without memory for its weights.

    Raises:
        ModelError: If its weights as float32 take more than all memory.
    """
    needed = sum(4 * weight.numel() for weight in skeleton.parameters())
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise ModelError(
            f"the weights of {name} would take {math.ceil(needed / _GIB)} GiB, and this machine has {there // _GIB}: "
            "correct its configuration, or take a smaller model"
        )


@contextmanager
def lack_of_memory_said(name: str) -> Iterator[None]:
    """Say of whatever fails for lack of memory that it does, whatever was thought of it where it failed.

    Args:
        name: The model's name, for messages.

    Raises:
        ModelError: If an error, or what caused it, is a lack of memory.
    """
    try:
        yield
    except Exception as error:
        lacking = _lack_of_memory(error)
        if lacking is None:
            raise
        raise ModelError(
            f"there is not enough free memory for {name} ({one_line(lacking)}): close other programs, or take a "
            "smaller model; if it should be a small one, download it again"
        ) from error


def _lack_of_memory(error: BaseException | None) -> BaseException | None:
    """The lack of memory that an error is, or was caused by; none if it is something else."""
    while error is not None:
        is_lack = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
        if is_lack or (isinstance(error, RuntimeError) and _LACKING.search(str(error))):
            return error
        error = error.__cause__ or error.__context__
    return None
