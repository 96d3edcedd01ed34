"""A tower in a low precision: autocast for the operations, and weights that are cast once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import nn

LOW_PRECISION: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_CAST = (nn.Linear, nn.Conv2d)  # what autocast casts all weights of


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
